"""Whatever happens to those who make it, a required artifact is made by one at a time, and made in the end.

A machine claims as workers do (`making.claim`), against the embedded server in process, and compares what it is
told with a list of attempts of its own.
"""

import os
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from framework.config import Config
from framework.errors import ArtifactError
from framework.plan import Work
from framework.tracking import making
from framework.tracking.states import INTERRUPTED_CODE, cause_of
from tests.launch.server.expected import LEASE, Attempt, Expected
from tests.launch.server.simulated import DELETE, STOP, TICK, House, machine_settings
from tests.launch.server.test_transfer import Uploader

pytestmark = pytest.mark.slow
WHICH = st.integers(0, 7)
OPS = ("claim",) * 5 + ("log", "log", "end", "end", "pass_by", "pass_by") + (
    "interrupt", "finish", "vanish", "delete", "stop", "sleep", "set_clock",
)  # fmt: skip
"""What may happen next, the usual more often. One rule draws of them: of many rules an example leaves most out."""


class XConfig(Config):
    x: int = 0


WORKS = [Work("model", XConfig(x=x)) for x in range(2)]


@dataclass(eq=False)
class Making:
    """A worker that makes an artifact: in which invocation, and in which run."""

    work: int
    invocation: str
    run: Attempt


class Claims(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.maker = making.Maker(None, "quick", "local/p")  # type: ignore[arg-type]
        self.runs = Expected(0, self.house.wall)
        self.attempts: list[list[tuple[Attempt, str]]] = [[], []]
        self.used = [0, 0]
        self.there = [False, False]
        self.at_work: list[Making] = []
        self.tokens: dict[tuple[str, int], list[Attempt]] = {}
        """Who was about to go on with a run that was given back, by the run and when that was."""

    def teardown(self) -> None:
        try:
            self.it_can_be_made()
        finally:
            self.house.close()

    @rule(op=st.sampled_from(OPS), which=WHICH, how=st.integers(0, 11))
    def act(self, op: str, which: int, how: int) -> None:
        """One thing happens, to the one that `which` counts to, in the way that `how` counts to."""

        def of(*ways: Any) -> Any:
            return ways[how % len(ways)]

        ways: dict[str, tuple[Any, ...]] = {
            "claim": (which % 2, of("a", "a", "b"), how > 9),
            "end": (which, of(0, 1, 143), how > 8),
            "pass_by": (of(1, 3, 11, 13, 26),),
            "sleep": (of(25.0, 61.0, 3600.0), how > 5),
            "set_clock": (of(-8 * 3600.0, -6.0, 6.0, 8 * 3600.0),),
        }
        getattr(self, op)(*ways.get(op, (which,)))

    def claim(self, work: int, invocation: str, dies: bool = False) -> None:
        """`dies`: before it begins to go on with a run."""
        if self.there[work]:
            return
        if self.hopeless(work, invocation):
            with pytest.raises(ArtifactError, match="could not be made"):
                self._claim(work, invocation)
            return
        given_back = self.given_back(work)
        told = self._claim(work, invocation)
        begins = given_back is not None and any(map(self.is_alive, self.tokens.get(given_back, [])))
        assert (told is None) == (self.somebody_makes(work) or begins)
        if told is None:
            return
        if given_back is not None:
            self.go_on(told, work, given_back, invocation, dies)
            return
        assert not told.goes_on
        name = WORKS[work].identity + (f"-{self.used[work]}" if self.used[work] else "")
        assert told.run_id == name
        for attempt, _ in self.attempts[work]:
            assert not self.is_alive(attempt) or attempt.silence >= LEASE
        self.used[work] += 1
        run = Attempt(name, None, None, "running", started=True, heard=self.house.wall)
        self.runs.runs[name] = run
        self.attempts[work].append((run, invocation))
        self.at_work.append(Making(work, invocation, run))

    def given_back(self, work: int) -> tuple[str, int] | None:
        """The last attempt, if it was given back half done, and when."""
        last = self.attempts[work][-1][0] if self.attempts[work] else None
        return (last.name, int(last.heard)) if last is not None and last.state == "preempted" else None

    def go_on(
        self, told: making.Claim, work: int, given_back: tuple[str, int], invocation: str, dies: bool
    ) -> None:
        run, _ = self.attempts[work][-1]
        assert (told.run_id, told.goes_on) == (run.name, True)
        before = self.tokens.setdefault(given_back, [])
        name = f"{given_back[0]}-since-{given_back[1]}" + (f"-{len(before)}" if before else "")
        token = Attempt(name, None, None, "running", started=True, heard=self.house.wall)
        before.append(token)
        if dies:
            self.runs.runs[name] = token
            return
        self.house.begin(run.name, {}, {"invocation": invocation})
        self.runs.begin(run, self.house.wall)
        self.attempts[work][-1] = (run, invocation)
        self.house.tracker.execute(DELETE, {"id": told.token})
        token.state = "deleted"
        self.at_work.append(Making(work, invocation, run))

    @staticmethod
    def is_alive(run: Attempt | None) -> bool:
        return run is not None and run.state in ("pending", "running")

    def _claim(self, work: int, invocation: str) -> making.Claim | None:
        with mock.patch.dict(os.environ, {"SASHIKO_INVOCATION": invocation}):
            return making.claim(self.house.tracker, self.maker, WORKS[work])

    def hopeless(self, work: int, invocation: str) -> bool:
        """Two of its own failed, three came to nothing, or one was stopped; what was given back does not count."""
        if self.somebody_makes(work):
            return False
        mine = [run.state for run, made_by in self.attempts[work] if made_by == invocation]
        counted = [state for state in mine if state != "preempted"]
        fails = counted[-1:] == ["failed"] and counted.count("failed") >= 2
        return fails or len(counted) >= 3 or "killed" in counted

    def somebody_makes(self, work: int) -> bool:
        return any(self.is_alive(run) for run, _ in self.attempts[work])

    def one(self, which: int) -> Making | None:
        here = [item for item in self.at_work if item.run.name in self.runs.runs]
        return here[which % len(here)] if here else None

    def log(self, which: int) -> None:
        if (item := self.one(which)) is not None:
            self.house.stream(item.run.name)
            self.runs.sign(item.run, self.house.wall)

    def end(self, which: int, code: int, preempting: bool) -> None:
        """It ends without the artifact: given back, failed, or finished in vain."""
        if (item := self.one(which)) is not None:
            more = {"preempting": True} if preempting else {}
            item.run.preempting |= preempting
            self.house.stream(item.run.name, complete=True, exitcode=code or 0, **more)
            self.runs.end(item.run, code, self.house.wall)
            self.at_work.remove(item)

    def interrupt(self, which: int) -> None:
        self.end(which, INTERRUPTED_CODE, True)

    def finish(self, which: int) -> None:
        if (item := self.one(which)) is not None:
            self.upload(item.run.name, WORKS[item.work].identity)
            self.there[item.work] = True
            self.end(self.at_work_here(item), 0, False)

    def at_work_here(self, item: Making) -> int:
        return [one for one in self.at_work if one.run.name in self.runs.runs].index(item)

    def upload(self, run: str, name: str) -> None:
        def ask(query: str, **variables: Any) -> Any:
            return self.house.tracker.execute(query, variables)

        Uploader(ask, self.house.client).log({"a.txt": b"x"}, name=name, runName=run)

    def vanish(self, which: int) -> None:
        if (item := self.one(which)) is not None:
            self.at_work.remove(item)

    def delete(self, which: int) -> None:
        if not self.runs.runs:
            return
        run = list(self.runs.runs.values())[which % len(self.runs.runs)]
        self.house.by_id(DELETE, run.name)
        self.runs.delete(run)
        run.state = "deleted"
        self.attempts = [[pair for pair in pairs if pair[0] is not run] for pairs in self.attempts]
        self.at_work = [item for item in self.at_work if item.run is not run]

    def stop(self, which: int) -> None:
        if not self.runs.runs:
            return
        run = list(self.runs.runs.values())[which % len(self.runs.runs)]
        self.house.by_id(STOP, run.name)
        run.asked_to_stop |= run.state in ("pending", "running")

    def pass_by(self, steps: int) -> None:
        for _ in range(steps):
            self.house.pass_by(TICK)
            for run in self.runs.runs.values():
                run.silence += TICK
            self.tick()

    def tick(self) -> None:
        self.house.tick()
        for run in self.runs.tick(self.house.wall):
            assert run.silence >= LEASE, f"{run} was heard of in time"

    def sleep(self, seconds: float, restarts: bool) -> None:
        if restarts:
            self.house.restart(seconds)
        else:
            self.house.pass_by(seconds)
        self.runs.was_away(self.house.wall)
        self.tick()

    def set_clock(self, seconds: float) -> None:
        self.house.wall += seconds
        self.runs.was_away(self.house.wall)
        self.tick()

    @invariant()
    def attempts_are_told_as_they_are(self) -> None:
        for work, pairs in zip(WORKS, self.attempts, strict=True):
            told = making.attempts_at(self.house.tracker, "local/p", work)
            states = [(run.name, cause_of(run.state)) for run, _ in pairs]
            assert [(a.run_id, a.cause if a.cause != "interrupted" else "preempted") for a in told] == states

    def it_can_be_made(self) -> None:
        """Once those who are silent are lost, a new invocation makes what is missing."""
        self.at_work.clear()
        self.pass_by(14)
        for work in range(2):
            if not self.there[work]:
                self.claim(work, "new")
                assert self.at_work[-1].work == work
                self.finish(len(self.at_work) - 1)
                assert self.there[work]


TestClaims = Claims.TestCase
TestClaims.settings = machine_settings(examples=40, steps=25)
