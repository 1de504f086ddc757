"""Whatever agents, people, clocks and the server itself do, each point of a sweep ends right.

A machine drives the server by the requests of real agents and compares it, step by step, with `expected`. Beside
that comparison hold these, which know no rule of the server: nobody who spoke in time loses a point; an agent is
left without a point only where another holds one, or the sweep is paused; no point ends unworked.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from framework.config import Config
from framework.definition import Definition, read
from framework.plan import plan
from framework.tracking import sweeps
from framework.tracking.ledger import read_ledger
from framework.tracking.states import INTERRUPTED_CODE
from framework.tracking.sweeps import SweepPath
from tests.launch.server.expected import GRACE, LEASE, LOST, Attempt, Expected
from tests.launch.server.simulated import DELETE, STOP, TICK, House, machine_settings

pytestmark = pytest.mark.slow
WHICH = st.integers(0, 7)
LONG = 26
"""Ticks after which a silent run is lost, also if everyone was given a whole lease anew meanwhile."""
AWAY = (25.0, 59.0, 61.0, 3600.0)
JUMPS = (-8 * 3600.0, -61.0, -6.0, 6.0, 61.0, 8 * 3600.0)


class XConfig(Config):
    x: int = 0


OPS = ("beat",) * 6 + ("begin", "begin", "end", "end", "log", "log_of_an_artifact", "pass_by", "pass_by_long") + (
    "join", "vanish", "give_back", "give_back_late", "come_back", "come_back", "announce_preemption", "drop",
    "kill_its_workers", "delete", "delete", "stop", "set_state", "sleep", "restart", "set_clock",
    "make_an_artifact", "the_ledger_agrees",
)  # fmt: skip
"""What may happen next, the usual more often. One rule draws of them: of many rules an example leaves most out."""


@dataclass(eq=False)
class Worker:
    """An agent as it sees itself: the run that it was told of, and whether its process has started."""

    agent: sweeps.Agent
    run: str | None = None
    begun: bool = False

    def drops(self) -> None:
        self.run, self.begun = None, False


class Points(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.workers: list[Worker] = []
        self.made = 0

    def teardown(self) -> None:
        try:
            if self.workers:
                self.the_ledger_agrees()
                self.somebody_can_finish()
        finally:
            self.house.close()

    @initialize(size=st.integers(1, 3))
    def make(self, size: int) -> None:
        values = ", ".join(map(str, range(size)))
        command = '["python", "-m", "experiments", "quick"]'
        text = f"method: grid\nname: s\ncommand: {command}\nparameters: {{x: {{values: [{values}]}}}}\n"
        self.definition: Definition = read(text)
        self.path: SweepPath = sweeps.create(self.house.tracker, self.definition.text(), "local", "p").path
        self.key = sweeps.find(self.house.tracker, self.path).key
        self.expected = Expected(size, self.house.wall)
        self.config_ids = [point.config_id for point in plan(XConfig, self.definition)]
        self.join()
        self.join()

    @rule(op=st.sampled_from(OPS), which=WHICH, how=st.integers(0, 11))
    def act(self, op: str, which: int, how: int) -> None:
        """One thing happens, to the one that `which` counts to, in the way that `how` counts to."""

        def of(*ways: Any) -> Any:
            return ways[how % len(ways)]

        ways: dict[str, tuple[Any, ...]] = {
            "beat": (which, how == 0),
            "end": (which, of(0, 0, 1, 143)),
            "give_back": (which, of(143, INTERRUPTED_CODE)),
            "come_back": (which, bool(how & 1), bool(how & 2), how > 7),
            "kill_its_workers": (which, of(1, 2, 3)),
            "set_state": (of("RUNNING", "RUNNING", "RUNNING", "PAUSED", "FINISHED", "CANCELED"),),
            "pass_by": (of(1.0, 4.0),),
            "pass_by_long": (of(2, 3, 6, 11, 13, 26),),
            "sleep": (AWAY[which % len(AWAY)], how % 2 == 0),
            "restart": (of(0.0, 59.0, 3600.0),),
            "set_clock": (JUMPS[which % len(JUMPS)], how % 2 == 0),
        }
        nobody = ("join", "make_an_artifact", "the_ledger_agrees")
        getattr(self, op)(*ways.get(op, () if op in nobody else (which,)))

    # --- agents ----------------------------------------------------------------------------------------------

    def join(self) -> None:
        house = self.house
        if len(self.workers) < 4:
            self.workers.append(Worker(sweeps.Agent(house.tracker, house.tracker, self.path, "h")))

    def vanish(self, which: int) -> None:
        """The machine of a worker is gone: nothing comes from there any more."""
        if len(self.workers) > 1:
            self.workers.remove(self.one(which))

    def one(self, which: int) -> Worker:
        return self.workers[which % len(self.workers)]

    def beat(self, which: int, reply_is_lost: bool) -> None:
        worker = self.one(which)
        now = self.house.wall
        told = worker.agent.heartbeat(worker.run)
        expected, lost = self.expected.beat(worker.agent.id, worker.run, now)
        self.check_silent(lost)
        assert [command["type"] for command in told] == [self.kind(kind, what) for kind, what in expected]
        if not told and worker.run is None:
            others = [place for place in self.expected.places if place.state == "claimed"]
            assert others or self.expected.state == "PAUSED", "sent away, and nobody holds a point"
        for command, (kind, what) in zip(told, expected, strict=True):
            if kind == "stop":
                assert command["run_id"] == what
            elif kind == "run":
                self.takes(worker, command, what, reply_is_lost)

    def kind(self, kind: str, what: object) -> str:
        resumed = kind == "run" and what.resume and what.last is not None and what.last.started  # type: ignore[attr-defined]
        return "resume" if resumed else kind

    def takes(self, worker: Worker, command: dict[str, object], place: object, reply_is_lost: bool) -> None:
        assert command["args"] == {"x": {"value": place.index}}  # type: ignore[attr-defined]
        name = str(command["run_id"])
        self.expected.claimed(place, name, worker.agent.id, self.house.wall)  # type: ignore[arg-type]
        if not reply_is_lost:
            worker.run = name

    def at_work(self, which: int) -> tuple[Worker, Attempt] | None:
        """A worker with a run that is there, and the run."""
        busy = [worker for worker in self.workers if worker.run in self.expected.runs]
        if not busy:
            return None
        worker = busy[which % len(busy)]
        return worker, self.expected.runs[str(worker.run)]

    def begin(self, which: int) -> None:
        if (found := self.at_work(which)) is None or found[0].begun:
            return
        self.begins(*found)

    def begins(self, worker: Worker, run: Attempt) -> None:
        index = run.place.index if run.place is not None else 0
        worker.begun = True
        self.house.begin(run.name, {"x": index}, {"config_id": self.config_ids[index]})
        self.expected.begin(run, self.house.wall)

    def log(self, which: int) -> None:
        if (found := self.at_work(which)) is not None and found[0].begun:
            self.house.stream(found[1].name)
            self.expected.sign(found[1], self.house.wall)

    def announce_preemption(self, which: int) -> None:
        if (found := self.at_work(which)) is not None and found[0].begun:
            self.house.stream(found[1].name, preempting=True)
            found[1].preempting = True
            self.expected.sign(found[1], self.house.wall)

    def end(self, which: int, code: int) -> None:
        """A process ends its run: done, failed, or killed by the worker because it was told to stop."""
        if (found := self.at_work(which)) is not None and found[0].begun:
            self.house.stream(found[1].name, complete=True, exitcode=code)
            self.expected.end(found[1], code, self.house.wall)
            found[0].drops()

    def give_back(self, which: int, code: int) -> None:
        """Preempted by a cluster, or interrupted by a person; also before the process has started."""
        if (found := self.at_work(which)) is not None:
            self.house.stream(found[1].name, preempting=True, complete=True, exitcode=code)
            found[1].preempting = True
            self.expected.end(found[1], code, self.house.wall)
            found[0].drops()

    def make_an_artifact(self) -> None:
        """A run that has no point, as one in which something is made that points require."""
        if self.made > 5:
            return
        name = f"model-{self.made}"
        self.made += 1
        self.house.begin(name, {}, {})
        run = Attempt(name, None, None, "running", started=True, heard=self.house.wall)
        self.expected.runs[name] = run

    def log_of_an_artifact(self, which: int) -> None:
        alone = [run for run in self.expected.runs.values() if run.place is None]
        if alone:
            run = alone[which % len(alone)]
            self.house.stream(run.name)
            self.expected.sign(run, self.house.wall)

    def come_back(self, which: int, announces: bool, others: bool, cancelled: bool) -> None:
        """Its machine sleeps for longer than a lease; the others go on meanwhile, or do not."""
        worker = self.one(which)
        if worker.run is None:
            self.beat(which, False)
        run = self.expected.runs.get(worker.run or "")
        if run is None:
            return
        if not worker.begun:
            self.begins(worker, run)
        if announces:
            self.house.stream(run.name, preempting=True)
            run.preempting = True
            self.expected.sign(run, self.house.wall)
        for _ in range(LONG):
            self.pass_by(TICK)
            for place, other in enumerate(self.workers):
                if others and other is not worker:
                    self.beat(place, False)
        if cancelled:
            self.set_state("CANCELED")
        self.beat(self.workers.index(worker), False)

    def kill_its_workers(self, which: int, times: int) -> None:
        """A point is too much for whoever takes it, so often."""
        for _ in range(times):
            self.beat(which, False)
            self.begin(which)
            self.drop(which)
            self.pass_by_long(LONG)

    def give_back_late(self, which: int) -> None:
        """Its network was away for longer than a lease."""
        self.pass_by_long(LONG)
        self.give_back(which, INTERRUPTED_CODE)

    def drop(self, which: int) -> None:
        """The process of a run is gone and could say nothing; its agent goes on."""
        self.one(which).drops()

    # --- people ----------------------------------------------------------------------------------------------

    def delete(self, which: int) -> None:
        if not self.expected.runs:
            return
        run = list(self.expected.runs.values())[which % len(self.expected.runs)]
        self.house.by_id(DELETE, run.name)
        self.expected.delete(run)

    def stop(self, which: int) -> None:
        if not self.expected.runs:
            return
        run = list(self.expected.runs.values())[which % len(self.expected.runs)]
        self.house.by_id(STOP, run.name)
        if run.state in ("pending", "running"):
            run.asked_to_stop = True

    def set_state(self, state: str) -> None:
        """Resume, pause, stop or cancel the sweep."""
        self.house.tracker.execute(sweeps._STATE, {"id": self.key, "state": state})
        self.expected.set_state(state)

    # --- time ------------------------------------------------------------------------------------------------

    def pass_by(self, seconds: float) -> None:
        self.house.pass_by(seconds)
        for run in self.expected.runs.values():
            run.silence += seconds
        self.tick()

    def pass_by_long(self, steps: int) -> None:
        for _ in range(steps):
            self.pass_by(TICK)

    def tick(self) -> None:
        self.house.tick()
        self.check_silent(self.expected.tick(self.house.wall))

    def sleep(self, seconds: float, ticks: bool) -> None:
        """The server was stopped, or its machine slept: it noticed nothing. Its look comes first, or not."""
        self.house.pass_by(seconds)
        self.expected.was_away(self.house.wall)
        if ticks:
            self.tick()

    def restart(self, seconds: float) -> None:
        self.house.restart(seconds)
        self.expected.was_away(self.house.wall)
        for worker in self.workers:
            worker.agent._tracker = self.house.tracker

    def set_clock(self, seconds: float, ticks: bool) -> None:
        self.house.wall += seconds
        self.house.services.clock.now()
        self.expected.was_away(self.house.wall)
        if ticks:
            self.tick()

    # --- what must hold --------------------------------------------------------------------------------------

    def check_silent(self, lost: list[Attempt]) -> None:
        for run in lost:
            assert run.silence >= (GRACE if run.unlisted else LEASE), f"{run} was heard of in time"

    @invariant()
    def the_server_agrees(self) -> None:
        if not self.workers:
            return
        with self.house.services.store.read() as tables:
            points = tables.points._db.execute(
                "SELECT points.idx, points.state, runs.name, points.lost, points.resume FROM points"
                " LEFT JOIN runs ON runs.id = points.run_id ORDER BY idx"
            ).fetchall()
            runs = {run["name"]: run["state"] for run in tables.runs.listed(("TRUE", ()))}
            state = tables.sweeps.by_id(1)["state"]  # type: ignore[index]
        expected = self.expected
        assert runs == {run.name: run.state for run in expected.runs.values()}
        assert [tuple(point) for point in points] == [
            (p.index, p.state, p.last.name if p.last else None, p.lost, int(p.resume)) for p in expected.places
        ]
        assert state == expected.state

    @invariant()
    def no_point_ends_unworked(self) -> None:
        for place in self.expected.places if self.workers else ():
            if place.state == "ended":
                assert place.last is not None
                assert place.last.state in ("finished", "failed", "killed") or place.lost >= LOST

    def the_ledger_agrees(self) -> None:
        ledger = read_ledger(self.house.tracker, self.path, self.definition, XConfig)
        assert not ledger.strangers
        found = [str(entry.standing) for entry in ledger.entries]
        assert found == [self.expected.standing(place) for place in self.expected.places]
        names = [[attempt.run_id for attempt in entry.attempts] for entry in ledger.entries]
        assert names == [[run.name for run in place.attempts] for place in self.expected.places]

    def somebody_can_finish(self) -> None:
        """A new agent that works whatever it is given comes to the end, and then nothing is open."""
        self.set_state("RUNNING")
        self.workers.clear()
        self.join()
        for _ in range(200):
            self.pass_by(TICK)
            self.beat(0, False)
            self.begin(0)
            self.end(0, 0)
            if self.expected.state == "FINISHED":
                break
        else:
            raise AssertionError("the sweep does not come to an end")
        for _ in range(14):
            self.pass_by(TICK)  # what still counted as running is lost by now
        self.the_ledger_agrees()
        assert {self.expected.standing(place) for place in self.expected.places} <= {"done", "failed"}


TestPoints = Points.TestCase
TestPoints.settings = machine_settings(examples=60, steps=40)
