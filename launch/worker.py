"""A worker: claims pieces of work and runs each in a child forked from a warm parent.

Where it may, it takes several points of one shape at once (`together.py`), each a run of its own, held by an agent
of its own. Each worker has a wandb service of its own, so that a child that dies takes nothing of its neighbours
with it. First the workers make what the points require, then they claim points until the tracker sends them home.
A signal makes a worker give back what it holds, as interrupted (SIGINT) or preempted. Who starts the workers:
`crew.py`.
"""

import contextlib
import functools
import gc
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from framework.config import canonical_json
from framework.definition import raw_config
from framework.errors import ConfigError, SashikoError, TrackerAway, TrackerError
from framework.plan import Work
from framework.tracking import logs, making, provenance, remote_runs, sweeps, workplace
from framework.tracking.current import PATIENCE_S
from framework.tracking.states import Cause, cause_of
from launch import client_service, direct, held, imports, retrying, together, walltime
from launch.child import Child, Outcome
from launch.coming_free import are_coming_free
from launch.console import Console
from launch.events import emit
from launch.gpu_watch import GpuWatch
from launch.job import Job
from launch.piece import Piece, are_alike, named_in, run_alone, run_together, work_alone
from launch.stopping import Stop, postponed, settle, told_as_stop
from launch.team import Team

HEARTBEAT_S = 5.0
CONSOLE_S = 2.0
IDLE_S = (0.1, 15.0)
SAY_WHY_S = 10.0
LONGEST_IDLE_S = 600.0
"""How long a worker stays at most for the points of workers that have died."""
STOP_GRACE_S = 10.0
GIVE_BACK_S = 60.0
"""How long a child may take to come to its next safe point, and to keep what is half done."""
ENVIRONMENT = "environment"
HANDED = ("run", "resume")
ENDED = (Cause.FINISHED, Cause.FAILED, Cause.STOPPED)
"""Why a run ended that a job which is started again does not go on with."""


class Worker:
    """One worker process: a claimant of work, with at most one child at a time."""

    def __init__(self, job: Job, index: int, folder: Path, team: Team) -> None:
        """Logs and temporary files of children go to `folder`; a point is worked by a `team`."""
        self._team = team
        self._job = job
        self._index = index
        self._folder = folder
        self._failed = 0
        self._away_since: float | None = None
        self._stores = False
        self._agents: list[sweeps.Agent] = []
        self._holds: dict[str, sweeps.Agent | direct.Alone | None] = {}
        self._asked: sweeps.Agent | None = None
        self._gpu = GpuWatch()
        self._walltime = walltime.of_job()
        self._most = together.most() if team.size == 1 else 1
        self.leaves = False
        """Whether this worker has left because its job has too little time for another point."""
        # A short patience, so that a server that is away is told of and the child is still watched.
        self._impatient = replace(job.tracker, patience_s=HEARTBEAT_S / 2, say=None)

    def _hold(self, run_id: str, agent: "sweeps.Agent | direct.Alone | None" = None) -> None:
        """A run is this worker's, and the agent's that speaks for it."""
        self._holds[run_id] = agent
        held.note(self._folder, self._index, list(self._holds))

    def _let_go(self, *run_ids: str) -> None:
        for run_id in run_ids:
            self._holds.pop(run_id, None)
        held.note(self._folder, self._index, list(self._holds))

    def work(self) -> int:
        """Make what is required, then work points until the tracker sends `exit`; returns how many failed."""
        logs.say_about(worker=f"{socket.gethostname()}:{os.getpid()}")
        client_service.warm_up()
        try:
            with told_as_stop():
                self._make_required()
                gc.collect()
                gc.freeze()  # what is imported stays shared with the children instead of being copied page by page
                if self._job.direct:
                    self._work_directly()
                else:
                    self._work_points()
        except Stop as asked:
            settle()
            if not self._holds:
                client_service.end_within(STOP_GRACE_S)
            else:  # what it would still say of the run is older than that it is given back
                client_service.kill()
            self._give_back(asked)
            raise
        return self._failed

    # --- the artifacts that points require -----------------------------------------------------------------

    def _make_required(self) -> None:
        wanted = self._job.required
        for work in wanted[self._index :] + wanted[: self._index]:
            try:
                if making.latest(self._job.tracker, self._job.project_path, work.identity)[0] is not None:
                    continue
                with postponed():  # what is claimed has to be known, to be given back
                    mine = making.claim(self._job.tracker, self._job.maker, work)
                    if mine is not None:
                        self._hold(mine.run_id)
            except SashikoError as error:
                emit("made", name=work.identity, error=str(error), log="")
                continue
            if mine is not None:
                self._make(work, mine)

    def _make(self, work: Work, mine: making.Claim) -> None:
        run_id = mine.run_id
        emit("making", name=work.identity)
        log = self._folder / f"{run_id}.log"
        first = self._lines_of(run_id) if mine.goes_on else 0
        outcome = self._run_child(lambda: making.make(self._job.maker, work, mine), {run_id: first}, log)
        self._let_go(run_id)
        emit("made", name=work.identity, error=outcome.error, log=_tail(log))
        log.unlink(missing_ok=True)

    # --- points --------------------------------------------------------------------------------------------

    def _work_points(self) -> None:
        self._register()
        idle, idle_since, told = IDLE_S[0], time.monotonic(), False
        while True:
            commands = self._ask(self._agents[0])
            if any(command["type"] == "exit" for command in commands):
                self._dismiss()
                return
            handed = [command for command in commands if command["type"] in HANDED]
            waiting = [piece for command in handed if (piece := self._piece(command, self._agents[0]))]
            while waiting:
                waiting = self._work_with_others(waiting)
            if handed and self._leaves_early():
                return
            if handed:
                idle, idle_since, told = IDLE_S[0], time.monotonic(), False
                continue
            if self._may_leave(time.monotonic() - idle_since):
                return
            if not told and time.monotonic() - idle_since > SAY_WHY_S:
                told = True
                self._say_why_idle()
            time.sleep(idle)
            idle = min(1.5 * idle, IDLE_S[1] if self._job.idle_s is None else self._job.idle_s / 4)

    def _may_leave(self, idle_s: float) -> bool:
        """Whether it has been idle for long enough, and nobody has died whose point comes free soon."""
        if self._job.idle_s is None or idle_s <= self._job.idle_s:
            return False
        return idle_s > LONGEST_IDLE_S or not are_coming_free(self._impatient, self._job.path)

    def _register(self) -> sweeps.Agent:
        """One more agent of this worker: each holds one run at a time."""
        self._agents.append(sweeps.Agent(self._job.tracker, self._impatient, self._job.path, socket.gethostname()))
        return self._agents[-1]

    def _ask(self, agent: sweeps.Agent) -> list[dict[str, Any]]:
        """Ask for a point; what is handed out is held."""
        with postponed():  # a reply that is on its way is heard first: nobody else is told of that point
            self._asked = agent
            commands = self._beat(agent, None)
            self._asked = None if self._away_since is None else agent
            for command in commands:
                if command["type"] in HANDED:
                    self._hold(str(command["run_id"]), agent)
        return commands

    def _dismiss(self) -> None:
        """The sweep is over: the other agents of this worker hear it, too."""
        for agent in self._agents[1:]:
            with contextlib.suppress(TrackerError):
                agent.heartbeat(None)

    def _work_with_others(self, waiting: Sequence[Piece]) -> list[Piece]:
        """Work the first point that waits, and at once what waits or is free of its shape; those that wait then.

        Points of other shapes that were handed out meanwhile wait here; there are no more of them than are worked.
        """
        manager, first = self._job.manager, waiting[0]
        alike = [piece for piece in waiting if piece is first or are_alike(manager, first, piece, self._folder)]
        pieces = alike[: self._most]
        others = [piece for piece in waiting if piece not in pieces]
        while max(len(pieces), len(others)) < self._most and are_alike(manager, first, first, self._folder):
            another = self._another()
            if another is None:
                break
            (pieces if are_alike(manager, first, another, self._folder) else others).append(another)
            if manager.shape_of(another.config) is None:  # nothing waits for company that will have none
                break
        self._work_on(pieces)
        return others

    def _another(self) -> Piece | None:
        """One more point, through an agent that holds none."""
        busy = [agent for agent in self._holds.values() if agent is not None]
        agent = next((one for one in self._agents if one not in busy), None) or self._register()
        handed = [command for command in self._ask(agent) if command["type"] in HANDED]
        return self._piece(handed[0], agent) if handed else None

    def _leaves_early(self) -> bool:
        """Whether the job that this worker is part of has too little time for another point."""
        why = self._walltime.too_short()
        if why:
            self.leaves = True
            emit("leaves", reason=why)
        return bool(why)

    def _say_why_idle(self) -> None:
        with contextlib.suppress(TrackerAway):
            sweep = sweeps.find(self._impatient, self._job.path)
            if sweep.state not in sweeps.HANDS_OUT:
                emit(
                    "idle", reason=f"the sweep is {sweep.state.lower()}; wandb sweep --resume {sweep.path} goes on"
                )

    def _piece(self, command: Mapping[str, Any], agent: sweeps.Agent) -> Piece | None:
        """What was handed out; None for a point that is no valid config, whose run is ended as failed."""
        run_id, swept = str(command["run_id"]), sweeps.point_of(command)
        job = self._job
        point = job.points.get(canonical_json(swept))
        try:
            config = point.config if point else job.manager.config.parse(raw_config(swept), str(job.path))
        except ConfigError as error:
            self._refuse(run_id, str(error))
            return None
        return Piece(run_id, config, point, swept, agent, resume=command["type"] == "resume")

    def _work_directly(self) -> None:
        """Work the points that this worker is there for, each in a run of its own in the sweep.

        A job that is started again goes on with the runs that it has begun.
        """
        path = self._job.path
        agent = direct.Alone(self._impatient, self._job.project_path)
        for swept in self._job.definition.points():
            point = self._job.points[canonical_json(swept)]
            run_id = self._job.direct.get(point.index)
            if run_id is None:
                continue
            begun = remote_runs.one(self._job.tracker, path.entity, path.project, run_id, "id state")
            if begun is None or cause_of(begun["state"]) not in ENDED:
                self._hold(run_id, agent)
                self._work_on([Piece(run_id, point.config, point, swept, agent, resume=begun is not None)])

    def _work_on(self, pieces: Sequence[Piece]) -> None:
        """Work a point, or several at once, each in its run."""
        job, log = self._job, self._folder / f"{pieces[0].run_id}.log"
        to_stop = self._folder / f"{pieces[0].run_id}.stop"
        for piece in pieces:
            emit("started", run=piece.run_id, name=piece.name)
        lines = {piece.run_id: self._lines_of(piece.run_id) if piece.resume else 0 for piece in pieces}
        begun = time.monotonic()
        work = (
            functools.partial(run_alone, job, pieces[0], self._team)
            if len(pieces) == 1
            else functools.partial(run_together, job, pieces, to_stop)
        )
        outcome = self._run_child(work, lines, log, to_stop if len(pieces) > 1 else None)
        self._let_go(*lines)
        if not outcome.error and not any(piece.resume for piece in pieces):
            self._walltime.add(time.monotonic() - begun)
        stopped = named_in(to_stop)
        for piece in pieces:
            error = outcome.error or (outcome.value or {}).get(piece.run_id, "")
            # A cluster may signal the child by itself; this worker's own signal comes then, too.
            given_back = outcome.given_back and piece.run_id not in stopped
            self._tell_end(piece, error, log, given_back=given_back)
        for path in (log, to_stop):
            path.unlink(missing_ok=True)

    def _tell_end(self, piece: Piece, error: str, log: Path, *, given_back: bool) -> None:
        """Tell how a run ended, and see that a point is tried again that may be."""
        if given_back:
            emit("given_back", run=piece.run_id)
            return
        if error:
            work_alone(self._folder, piece)
        stopped = bool(error) and self._was_told_to_stop(piece)
        failed = bool(error) and not stopped
        again = retrying.try_again(self._job, piece.point, piece.swept, error) if failed else ""
        self._failed += failed and not again
        emit("ended", run=piece.run_id, name=piece.name, error=error, log=_tail(log), stopped=stopped, again=again)

    def _lines_of(self, run_id: str) -> int:
        """How many lines of console output a run has that is gone on with."""
        path = self._job.path
        return remote_runs.console_lines(self._job.tracker, path.entity, path.project, run_id)

    def _was_told_to_stop(self, piece: Piece) -> bool:
        """Whether the tracker wanted a run to end: its client may have heard of that before this worker did."""
        return any(command["type"] == "stop" for command in self._beat(piece.agent, piece.run_id))

    def _refuse(self, run_id: str, error: str) -> None:
        """Fail the run of a point that the tracker drew and that is no valid config; the sweep goes on."""
        log = self._folder / f"{run_id}.log"
        log.write_text(error)
        console = Console(log, f"{self._job.project_path}/{run_id}")
        self._close({run_id: console}, Outcome(closed=False, error=error))
        self._let_go(run_id)
        self._failed += 1
        emit("ended", run=run_id, name=run_id, error=error, log="")

    # --- a child -------------------------------------------------------------------------------------------

    def _choose_who_stores(self) -> None:
        """One run of all on this machine stores the environment; the others need not look whether it is there."""
        try:
            (self._folder / ENVIRONMENT).touch(exist_ok=self._stores)
            self._stores = True
        except FileExistsError:
            provenance.mark_stored()

    def _run_child(self, work: Any, lines: Mapping[str, int], log: Path, to_stop: Path | None = None) -> Outcome:
        """Fork, attend to the child until it has ended, and see its runs closed.

        `lines`: by run, its next console line; all runs get what the child prints. `to_stop`: where several are
        worked at once, the file for the names of those that are to end.
        """
        self._choose_who_stores()
        consoles = {run_id: Console(log, f"{self._job.project_path}/{run_id}", n) for run_id, n in lines.items()}
        own = next(iter(lines))
        self._gpu.begin(self._folder / f"{own}.gpu")
        child = Child(work, log, self._folder / f"{own}.tmp")
        try:
            outcome = self._attend(child, consoles, to_stop)
            if outcome.broke_off:
                with postponed():
                    client_service.restart(outcome.exit_code)
                    child = Child(work, log, self._folder / f"{own}.tmp")
                outcome = self._attend(child, consoles, to_stop)
        except Stop as asked:
            settle()
            child.kill(asked.passed_on)
            ended = child.wait(GIVE_BACK_S)
            if ended is None:
                child.kill(signal.SIGKILL)
                child.wait(STOP_GRACE_S)
            elif ended.closed:
                self._let_go(*lines)  # their own clients have given them back
                for run_id in lines:
                    emit("given_back", run=run_id)
            with contextlib.suppress(TrackerError):
                for console in consoles.values():
                    console.finish(self._impatient)
            raise
        finally:
            self._gpu.end()
        self._close(consoles, outcome)
        imports.catch_up(outcome.imported)
        if not outcome.error:
            provenance.mark_stored()
        return outcome

    def _attend(self, child: Child, consoles: Mapping[str, Console], to_stop: Path | None) -> Outcome:
        """Wait for a child, with heartbeats that keep what is held, and obey `stop`."""
        kill_at, beat_at = float("inf"), time.monotonic() + HEARTBEAT_S
        while True:
            outcome = child.wait(CONSOLE_S)
            if outcome is not None:
                return outcome
            self._gpu.look()
            with contextlib.suppress(TrackerError):  # away, or the run is deleted: the heartbeat will tell
                for console in consoles.values():
                    console.send(self._impatient)
            if time.monotonic() > beat_at:
                beat_at = time.monotonic() + HEARTBEAT_S
                unwanted = [run_id for run_id in self._unwanted() if run_id in consoles]
                if unwanted:
                    kill_at = min(kill_at, self._end_child(child, unwanted, to_stop))
            if time.monotonic() > kill_at:
                child.kill(signal.SIGKILL)

    def _unwanted(self) -> list[str]:
        """A heartbeat for each run that is held; those that the tracker wants to end."""
        found = []
        for run_id, agent in list(self._holds.items()):
            commands = [] if agent is None else self._beat(agent, run_id)
            if any(command["type"] in ("stop", "exit") for command in commands):
                found.append(run_id)
        return found

    def _end_child(self, child: Child, unwanted: Sequence[str], to_stop: Path | None) -> float:
        """Have a child end its run, or end some of its runs and give back the others; when to kill it."""
        if to_stop is None:
            child.kill(signal.SIGTERM)
            return time.monotonic() + STOP_GRACE_S
        to_stop.write_text("\n".join(unwanted), encoding="utf-8")
        child.kill(signal.SIGUSR2)
        return time.monotonic() + GIVE_BACK_S

    def _beat(self, agent: sweeps.Agent | direct.Alone, run_id: str | None) -> list[dict[str, Any]]:
        """A heartbeat. While the server is away the child works on: its rows wait in its own client."""
        try:
            commands = agent.heartbeat(run_id)
        except TrackerAway as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
                emit("away", error=str(error))
            if time.monotonic() - self._away_since > PATIENCE_S:
                raise
            return []
        if self._away_since is not None:
            emit("back", seconds=time.monotonic() - self._away_since)
            self._away_since = None
        return commands

    def _close(self, consoles: Mapping[str, Console], outcome: Outcome) -> None:
        """Send what the child printed; end the runs of one that could not, with the reason of its death."""
        if not outcome.closed:
            # First: what the old one still sends is older than the reason.
            client_service.restart(outcome.exit_code)
        for run_id, console in consoles.items():
            try:
                self._close_run(run_id, console, outcome)
            except TrackerError as error:
                emit("error", message=f"the end of run {run_id} could not be told: {error}")

    def _close_run(self, run_id: str, console: Console, outcome: Outcome) -> None:
        job = self._job
        console.finish(job.tracker, "" if outcome.closed else outcome.error)
        if not outcome.closed:
            end = {"complete": True, "exitcode": outcome.exit_code}
            job.tracker.file_stream(f"{job.project_path}/{run_id}", end)
            used = {**workplace.here(), **outcome.used} if outcome.used else None
            place = (job.path.entity, job.path.project, run_id)
            remote_runs.note_error(job.tracker, *place, outcome.error, used)

    def _give_back(self, asked: Stop) -> None:
        """Hand back what this worker still holds: somebody goes on with it at once."""
        tracker = self._impatient
        try:
            # Where no reply came, it may have told of a point: such a one is told again.
            told = [] if self._asked is None else self._asked.heartbeat(None)
            for run_id in [*self._holds, *[c["run_id"] for c in told if "run_id" in c]]:
                end = {"preempting": True, "complete": True, "exitcode": asked.exit_code}
                tracker.file_stream(f"{self._job.project_path}/{run_id}", end)
                emit("given_back", run=run_id)
        except TrackerError as error:
            emit("error", message=f"a run could not be given back, its lease will run out: {error}")


def _tail(log: Path, lines: int = 20) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
