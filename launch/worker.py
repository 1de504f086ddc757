"""A worker: claims pieces of work and runs each in a child forked from a warm parent.

Each worker has a wandb service of its own, so that a child that dies takes nothing of its neighbours with it.
First the workers make what the points require, then they claim points until the tracker sends them home. A signal
makes a worker give back what it holds, as interrupted (SIGINT) or preempted. Who starts the workers: `crew.py`.
"""

import contextlib
import gc
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from framework.config import Config, canonical_json
from framework.definition import raw_config
from framework.errors import ConfigError, SashikoError, TrackerAway, TrackerError
from framework.plan import Point, Work, name_of
from framework.tracking import making, provenance, remote_runs, sweeps, workplace
from framework.tracking.current import PATIENCE_S
from framework.tracking.states import INTERRUPTED_CODE, PREEMPTED_CODE, Cause, cause_of
from launch import client_service, direct, held, imports, ranks, retrying, walltime
from launch.child import STOPPING, Child, Outcome
from launch.console import Console
from launch.events import emit
from launch.gpu_watch import GpuWatch
from launch.job import Job
from launch.team import Team

HEARTBEAT_S = 5.0
CONSOLE_S = 2.0
IDLE_S = (0.1, 15.0)
SAY_WHY_S = 10.0
STOP_GRACE_S = 10.0
AGAIN_S = 0.5
GIVE_BACK_S = 60.0
"""How long a child may take to come to its next safe point, and to keep what is half done."""
LAST_S = 90.0
"""How long a worker that was asked to stop may take: whatever it waits for then, the system ends it."""
ENVIRONMENT = "environment"
ENDED = (Cause.FINISHED, Cause.FAILED, Cause.STOPPED)
"""Why a run ended that a job which is started again does not go on with."""


class Stop(Exception):
    """A signal asked the worker to end."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)

    @property
    def passed_on(self) -> signal.Signals:
        """What the child is told: a person wants it to give back its run, or a cluster does."""
        return signal.SIGINT if self.number == signal.SIGINT else signal.SIGUSR2

    @property
    def exit_code(self) -> int:
        """The exit code of a run that is given back."""
        return INTERRUPTED_CODE if self.number == signal.SIGINT else PREEMPTED_CODE


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
        self._agent: sweeps.Agent | direct.Alone | None = None
        self._holds: str | None = None
        self._asking = False
        self._gpu = GpuWatch()
        self._walltime = walltime.of_job()
        self.leaves = False
        """Whether this worker has left because its job has too little time for another point."""
        # A short patience, so that a server that is away is told of and the child is still watched.
        self._impatient = replace(job.tracker, patience_s=HEARTBEAT_S / 2, say=None)

    @property
    def _held(self) -> str | None:
        return self._holds

    @_held.setter
    def _held(self, run_id: str | None) -> None:
        self._holds = run_id
        held.note(self._folder, self._index, run_id)

    def work(self) -> int:
        """Make what is required, then work points until the tracker sends `exit`; returns how many failed."""
        client_service.warm_up()
        try:
            self._make_required()
            gc.collect()
            gc.freeze()  # what is imported stays shared with the children instead of being copied page by page
            if self._job.direct:
                self._work_directly()
            else:
                self._work_points()
        except Stop as asked:
            settle()
            if self._held is None:
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
                    self._held = None if mine is None else mine.run_id
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
        outcome = self._run_child(lambda: making.make(self._job.maker, work, mine), run_id, log, first)
        self._held = None
        emit("made", name=work.identity, error=outcome.error, log=_tail(log))
        log.unlink(missing_ok=True)

    # --- points --------------------------------------------------------------------------------------------

    def _work_points(self) -> None:
        self._agent = sweeps.Agent(self._job.tracker, self._impatient, self._job.path, socket.gethostname())
        idle, idle_since, told = IDLE_S[0], time.monotonic(), False
        while True:
            with postponed():  # a reply that is on its way is heard first: nobody else is told of that point
                self._asking = True
                commands = self._beat(None)
                self._asking = self._away_since is not None
                handed = [command for command in commands if command["type"] in ("run", "resume")]
                if handed:
                    self._held = str(handed[0]["run_id"])
            if any(command["type"] == "exit" for command in commands):
                return
            for command in handed:
                self._work_point(command)
            if handed and self._leaves_early():
                return
            if handed:
                idle, idle_since, told = IDLE_S[0], time.monotonic(), False
                continue
            if self._job.idle_s is not None and time.monotonic() - idle_since > self._job.idle_s:
                return
            if not told and time.monotonic() - idle_since > SAY_WHY_S:
                told = True
                self._say_why_idle()
            time.sleep(idle)
            idle = min(1.5 * idle, IDLE_S[1] if self._job.idle_s is None else self._job.idle_s / 4)

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

    def _work_point(self, command: Mapping[str, Any]) -> None:
        run_id, swept = str(command["run_id"]), sweeps.point_of(command)
        self._held = run_id
        job = self._job
        point = job.points.get(canonical_json(swept))
        try:
            config = point.config if point else job.manager.config.parse(raw_config(swept), str(job.path))
        except ConfigError as error:
            self._refuse(run_id, str(error))
            return
        self._work_on(run_id, config, point, swept, resume=command["type"] == "resume")

    def _work_directly(self) -> None:
        """Work the points that this worker is there for, each in a run of its own in the sweep.

        A job that is started again goes on with the runs that it has begun.
        """
        path = self._job.path
        self._agent = direct.Alone(self._impatient, self._job.project_path)
        for swept in self._job.definition.points():
            point = self._job.points[canonical_json(swept)]
            run_id = self._job.direct.get(point.index)
            if run_id is None:
                continue
            begun = remote_runs.one(self._job.tracker, path.entity, path.project, run_id, "id state")
            if begun is None or cause_of(begun["state"]) not in ENDED:
                self._held = run_id
                self._work_on(run_id, point.config, point, swept, resume=begun is not None)

    def _work_on(
        self, run_id: str, config: Config, point: Point | None, swept: Mapping[str, Any], *, resume: bool
    ) -> None:
        job, log = self._job, self._folder / f"{run_id}.log"
        name = point.name if point else name_of(config)
        emit("started", run=run_id, name=name)
        first = self._lines_of(run_id) if resume else 0
        begun = time.monotonic()
        outcome = self._run_child(
            lambda: _run_point(job, config, point, swept, run_id, self._team, resume=resume), run_id, log, first
        )
        self._held = None
        if not outcome.error and not resume:
            self._walltime.add(time.monotonic() - begun)
        if (
            outcome.given_back
        ):  # a cluster may signal the child by itself; this worker's own signal comes then, too
            emit("given_back", run=run_id)
            log.unlink(missing_ok=True)
            return
        stopped = bool(outcome.error) and self._was_told_to_stop(run_id)
        failed = bool(outcome.error) and not stopped
        again = retrying.try_again(job, point, swept, outcome.error) if failed else ""
        self._failed += failed and not again
        emit("ended", run=run_id, name=name, error=outcome.error, log=_tail(log), stopped=stopped, again=again)
        log.unlink(missing_ok=True)

    def _lines_of(self, run_id: str) -> int:
        """How many lines of console output a run has that is gone on with."""
        path = self._job.path
        return remote_runs.console_lines(self._job.tracker, path.entity, path.project, run_id)

    def _was_told_to_stop(self, run_id: str) -> bool:
        """Whether the tracker wanted a run to end: its client may have heard of that before this worker did."""
        return any(command["type"] == "stop" for command in self._beat(run_id))

    def _refuse(self, run_id: str, error: str) -> None:
        """Fail the run of a point that the tracker drew and that is no valid config; the sweep goes on."""
        log = self._folder / f"{run_id}.log"
        log.write_text(error)
        self._close(Console(log, f"{self._job.project_path}/{run_id}"), run_id, Outcome(closed=False, error=error))
        self._held = None
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

    def _run_child(self, work: Any, run_id: str, log: Path, first: int) -> Outcome:
        """Fork, attend to the child until it has ended, and see its run closed; `first`: its next console line."""
        self._choose_who_stores()
        console = Console(log, f"{self._job.project_path}/{run_id}", first)
        self._gpu.begin(self._folder / f"{run_id}.gpu")
        child = Child(work, log, self._folder / f"{run_id}.tmp")
        try:
            outcome = self._attend(child, console, run_id)
        except Stop as asked:
            settle()
            child.kill(asked.passed_on)
            ended = child.wait(GIVE_BACK_S)
            if ended is None:
                child.kill(signal.SIGKILL)
                child.wait(STOP_GRACE_S)
            elif ended.closed:
                self._held = None  # its own client has given it back
                emit("given_back", run=run_id)
            with contextlib.suppress(TrackerError):
                console.finish(self._impatient)
            raise
        finally:
            self._gpu.end()
        self._close(console, run_id, outcome)
        imports.catch_up(outcome.imported)
        if not outcome.error:
            provenance.mark_stored()
        return outcome

    def _attend(self, child: Child, console: Console, run_id: str) -> Outcome:
        """Wait for a child, with heartbeats that keep its point, and obey `stop`."""
        kill_at, beat_at = float("inf"), time.monotonic() + HEARTBEAT_S
        while True:
            outcome = child.wait(CONSOLE_S)
            if outcome is not None:
                return outcome
            self._gpu.look()
            with contextlib.suppress(TrackerError):  # away, or the run is deleted: the heartbeat will tell
                console.send(self._impatient)
            if self._agent is not None and time.monotonic() > beat_at:
                beat_at = time.monotonic() + HEARTBEAT_S
                if any(command["type"] in ("stop", "exit") for command in self._beat(run_id)):
                    child.kill(signal.SIGTERM)
                    kill_at = min(kill_at, time.monotonic() + STOP_GRACE_S)
            if time.monotonic() > kill_at:
                child.kill(signal.SIGKILL)

    def _beat(self, run_id: str | None) -> list[dict[str, Any]]:
        """A heartbeat. While the server is away the child works on: its rows wait in its own client."""
        if self._agent is None:
            return []
        try:
            commands = self._agent.heartbeat(run_id)
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

    def _close(self, console: Console, run_id: str, outcome: Outcome) -> None:
        """Send what the child printed; end the run of one that could not, with the reason of its death."""
        job = self._job
        if not outcome.closed:
            # First: what the old one still sends is older than the reason.
            client_service.restart(outcome.exit_code)
        try:
            console.finish(job.tracker, "" if outcome.closed else outcome.error)
            if not outcome.closed:
                end = {"complete": True, "exitcode": outcome.exit_code}
                job.tracker.file_stream(f"{job.project_path}/{run_id}", end)
                used = {**workplace.here(), **outcome.used} if outcome.used else None
                place = (job.path.entity, job.path.project, run_id)
                remote_runs.note_error(job.tracker, *place, outcome.error, used)
        except TrackerError as error:
            emit("error", message=f"the end of run {run_id} could not be told: {error}")

    def _give_back(self, asked: Stop) -> None:
        """Hand back what this worker still holds: somebody goes on with it at once."""
        tracker = self._impatient
        try:
            # Where no reply came, it may have told of a point: such a one is told again.
            told = self._agent.heartbeat(None) if self._agent is not None and self._asking else []
            mine = [self._held] if self._held is not None else [c["run_id"] for c in told if "run_id" in c]
            for run_id in mine:
                end = {"preempting": True, "complete": True, "exitcode": asked.exit_code}
                tracker.file_stream(f"{self._job.project_path}/{run_id}", end)
                emit("given_back", run=run_id)
        except TrackerError as error:
            emit("error", message=f"a run could not be given back, its lease will run out: {error}")


# --- in the child --------------------------------------------------------------------------------------------


def _run_point(
    job: Job,
    config: Config,
    point: Point | None,
    swept: Mapping[str, Any],
    run_id: str,
    team: Team,
    *,
    resume: bool,
) -> None:
    from framework.tracking.run import Identity, Resume, Run

    experiment = job.definition.experiment
    identity = Identity(
        experiment=experiment,
        project=job.path.project,
        entity=job.path.entity,
        run_id=run_id,
        name=point.name if point else name_of(config),
        group=point.batch if point else job.definition.data.get("name"),
        tags=[experiment, point.label] if point else [experiment],
        sweep_id=job.path.id,
        swept=swept,
    )
    go_on: Resume | None = "must" if resume else None
    with (
        ranks.beside(team) as others,
        Run(config, identity, job.manager, light=True, resume=go_on) as run,
        ranks.leading(others, experiment, run),
    ):
        job.manager.run(config, run)


# --- signals -------------------------------------------------------------------------------------------------


def stop(number: int, _frame: FrameType | None) -> None:
    """Ask the worker to stop: again and again until it has heard.

    An exception out of a handler is lost where it comes within a destructor or a hook.
    """
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)  # the second would interrupt the clean-up
    signal.signal(signal.SIGALRM, lambda *_: _raise_stop(number))
    if _wish.holds:
        _wish.number = number
    else:
        _raise_stop(number)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """A signal that comes meanwhile is heard at the end, whichever thread of this process the system tells.

    Raises:
        Stop: one came.
    """
    _wish.holds = True
    try:
        yield
    finally:
        _wish.holds, number, _wish.number = False, _wish.number, None
        if number is not None:
            _raise_stop(number)


@dataclass
class _Wish:
    """Whether a wish to stop is put off, and which one came meanwhile."""

    holds: bool = False
    number: int | None = None


_wish = _Wish()


def _raise_stop(number: int) -> NoReturn:
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
    raise Stop(number)


def settle(last_s: float = LAST_S) -> None:
    """The worker has heard. What it has still to do it does within `last_s`, or is killed by its alarm."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, last_s)


def _tail(log: Path, lines: int = 20) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
