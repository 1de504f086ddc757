"""Workers: claim the points of a sweep and run each in a child forked from a warm parent.

    python -m launch.worker ENTITY/PROJECT/SWEEP --workers 2

The first process imports what the experiment needs, once, and forks the workers; it touches no GPU. Each worker
has a wandb service of its own, so that a child that dies takes nothing of its neighbours with it. First the
workers make what the points require, then they claim points until the tracker sends them home. Events go to
standard output, one JSON object a line.
"""

import argparse
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from experiments import manager_of
from framework.definition import Definition, raw_config
from framework.errors import ConfigError, SashikoError, TrackerAway, TrackerError
from framework.manager import Manager
from framework.plan import RUN, Point, name_of, plan
from framework.tracking import sweeps
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker, configured
from launch import service
from launch.child import STOPPING, Child, Outcome, die_with, signals_held

HEARTBEAT_S = 5.0
IDLE_S = (0.1, 2.0)
STOP_GRACE_S = 10.0
SERVER_AWAY_S = 3600.0
FAILED_RUNS = 1
LOG_MOST = 1_000_000


@dataclass(frozen=True)
class Job:
    """What the workers of one sweep share: all of it was read before the first fork.

    `points` are those of a grid. The tracker draws the points of other methods; each is checked when it comes.
    """

    path: SweepPath
    tracker: Tracker
    definition: Definition
    manager: Manager[Any]
    points: Mapping[str, Point]

    @property
    def project_path(self) -> str:
        """entity/project."""
        return f"{self.path.entity}/{self.path.project}"


class Stop(Exception):
    """A signal asked the worker to end."""


def emit(kind: str, **facts: Any) -> None:
    """Tell whoever started the workers what happened. One short write, so that lines of workers do not mix."""
    line = json.dumps({"event": kind, **facts}) + "\n"
    os.write(1, line.encode())


class Worker:
    """One worker process: a claimant of points, with at most one child at a time."""

    def __init__(self, job: Job, index: int, folder: Path) -> None:
        """Logs of children go to `folder`."""
        self._job = job
        self._index = index
        self._folder = folder
        self._failed = 0
        self._away_since: float | None = None

    def work(self) -> int:
        """Make what is required, then work points until the tracker sends `exit`; returns how many failed."""
        service.warm_up()
        self._make_required()
        gc.collect()
        gc.freeze()  # what is imported stays shared with the children instead of being copied page by page
        # A short patience, so that a server that is away is told of and the child is still watched.
        impatient = replace(self._job.tracker, patience_s=HEARTBEAT_S / 2)
        agent = sweeps.Agent(self._job.tracker, impatient, self._job.path, socket.gethostname())
        idle = IDLE_S[0]
        while True:
            commands = self._beat(agent, None)
            runs = [command for command in commands if command["type"] in ("run", "resume")]
            if any(command["type"] == "exit" for command in commands):
                return self._failed
            for command in runs:
                self._work_point(agent, command)
            idle = IDLE_S[0] if runs else min(2 * idle, IDLE_S[1])
            if not runs:
                time.sleep(idle)

    # --- the artifacts that points require -----------------------------------------------------------------

    def _make_required(self) -> None:
        required = {}
        for point in self._job.points.values():
            for requirement in self._job.manager.requires(RUN, point.config):
                name = f"{requirement.kind}-{requirement.config.config_id}"
                required[name] = requirement
        from framework.tracking import lease

        names = list(required)
        for name in names[self._index :] + names[: self._index]:
            if lease.exists(self._job.tracker, self._job.project_path, name):
                continue
            log = self._folder / f"{name}.log"
            requirement = required[name]
            emit("making", name=name)
            child = Child(lambda r=requirement: _make(self._job, r.kind, r.config), log)  # type: ignore[misc]
            outcome = self._attend(child, None, name)
            if outcome.value or outcome.error:
                emit("made", name=name, error=outcome.error, log=_tail(log))

    # --- one point -----------------------------------------------------------------------------------------

    def _work_point(self, agent: sweeps.Agent, command: Mapping[str, Any]) -> None:
        run_id, swept = str(command["run_id"]), sweeps.point_of(command)
        job, log = self._job, self._folder / f"{run_id}.log"
        point = job.points.get(_key(swept))
        try:
            config = point.config if point else job.manager.config.parse(raw_config(swept), str(job.path))
        except ConfigError as error:
            self._refuse(run_id, str(error))
            return
        name = point.name if point else name_of(config)
        emit("started", run=run_id, name=name)
        child = Child(lambda: _run_point(job, config, point, swept, run_id), log)
        outcome = self._attend(child, agent, run_id)
        text = log.read_text(errors="replace")
        if not outcome.closed:
            text += f"\n{outcome.error}\n"
            service.restart(outcome.exit_code)
        if text.strip():
            self._ship(run_id, text, outcome)
        stopped = bool(outcome.error) and self._was_told_to_stop(agent, run_id)
        self._failed += bool(outcome.error) and not stopped
        emit("ended", run=run_id, name=name, error=outcome.error, log=_tail(log), stopped=stopped)
        log.unlink(missing_ok=True)

    def _was_told_to_stop(self, agent: sweeps.Agent, run_id: str) -> bool:
        """Whether the tracker wanted a run to end: its client may have heard of that before this worker did."""
        return any(command["type"] == "stop" for command in self._beat(agent, run_id))

    def _refuse(self, run_id: str, error: str) -> None:
        """Fail the run of a point that the tracker drew and that is no valid config; the sweep goes on."""
        self._ship(run_id, error, Outcome(closed=False, error=error))
        self._failed += 1
        emit("ended", run=run_id, name=run_id, error=error, log="")

    def _attend(self, child: Child, agent: sweeps.Agent | None, run_id: str) -> Outcome:
        """Wait for a child, with heartbeats that keep its point, and obey `stop`."""
        kill_at = float("inf")
        try:
            while True:
                outcome = child.wait(HEARTBEAT_S)
                if outcome is not None:
                    return outcome
                commands = self._beat(agent, run_id) if agent else []
                if any(command["type"] in ("stop", "exit") for command in commands):
                    child.kill(signal.SIGTERM)
                    kill_at = min(kill_at, time.monotonic() + STOP_GRACE_S)
                if time.monotonic() > kill_at:
                    child.kill(signal.SIGKILL)
        except Stop:
            child.kill(signal.SIGTERM)
            if child.wait(STOP_GRACE_S) is None:
                child.kill(signal.SIGKILL)
            raise

    def _beat(self, agent: sweeps.Agent, run_id: str | None) -> list[dict[str, Any]]:
        """A heartbeat. While the server is away the child works on: its rows wait in its own client."""
        try:
            commands = agent.heartbeat(run_id)
        except TrackerAway as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
                emit("away", error=str(error))
            if time.monotonic() - self._away_since > SERVER_AWAY_S:
                raise
            return []
        if self._away_since is not None:
            emit("back", seconds=time.monotonic() - self._away_since)
            self._away_since = None
        return commands

    def _ship(self, run_id: str, text: str, outcome: Outcome) -> None:
        """Put the child's output, and how it died, into the run's log."""
        if len(text) > LOG_MOST:
            text = f"({len(text) - LOG_MOST:,} characters of the beginning are left out)\n{text[-LOG_MOST:]}"
        payload = {
            "files": {"output.log": {"offset": 0, "content": [line + "\n" for line in text.splitlines()]}},
            "complete": True,
            "exitcode": outcome.exit_code,
        }
        try:
            self._job.tracker.file_stream(f"{self._job.project_path}/{run_id}", payload)
            if not outcome.closed:
                sweeps.note_error(self._job.tracker, self._job.path, run_id, outcome.error)
        except TrackerError as error:
            emit("error", message=f"the log of run {run_id} could not be sent: {error}")


# --- in the child --------------------------------------------------------------------------------------------


def _run_point(job: Job, config: Any, point: Point | None, swept: Mapping[str, Any], run_id: str) -> None:
    from framework.tracking.run import Identity, Run

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
    with Run(config, identity, job.manager, light=True) as run:
        job.manager.run(config, run)


def _make(job: Job, kind: str, config: Any) -> bool:
    from framework.tracking import lease

    maker = lease.Maker(job.manager, job.definition.experiment, job.project_path)
    return lease.made_if_free(maker, kind, config)


# --- the first process -----------------------------------------------------------------------------------------


def _key(swept: Mapping[str, Any]) -> str:
    from framework.config import canonical_json

    return canonical_json(swept)


def _tail(log: Path, lines: int = 20) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def read_job(path_text: str, tracker: Tracker) -> Job:
    """Everything that the workers share.

    Raises:
        SashikoError: the sweep or its experiment is unknown, or a point of a grid is invalid.
    """
    path = sweeps.parse_path(path_text, tracker.check())
    definition = sweeps.definition_of(tracker, path)
    manager = manager_of(definition.experiment)
    if not definition.is_grid:
        return Job(path, tracker, definition, manager, {})
    points = plan(manager.config, definition)
    keys = [_key(point) for point in definition.points()]
    return Job(path, tracker, definition, manager, dict(zip(keys, points, strict=True)))


def main(arguments: list[str] | None = None) -> int:
    """Work a sweep; the exit code is 0, or 1 if a run failed, or that of the error that stopped it."""
    parser = argparse.ArgumentParser(prog="python -m launch.worker")
    parser.add_argument("sweep", help="ENTITY/PROJECT/SWEEP")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    os.environ.update(service.LIGHT_CLIENT)
    service.forget_inherited(os.environ)
    tracker = configured(os.environ)
    try:
        if tracker is None:
            raise TrackerError("no tracker is configured: set WANDB_BASE_URL and WANDB_API_KEY")
        job = read_job(options.sweep, Tracker(tracker.url, tracker.key, SERVER_AWAY_S))
        job.manager.warm()
        import framework.tracking.run  # noqa: F401 (forked children must find it imported)
    except SashikoError as error:
        emit("error", message=str(error))
        return error.exit_code
    emit("warm", workers=options.workers)
    return _fork_workers(job, options.workers)


def _fork_workers(job: Job, count: int) -> int:
    with tempfile.TemporaryDirectory(prefix="sashiko-logs-", ignore_cleanup_errors=True) as folder:
        pids = [_fork_worker(job, index, Path(folder)) for index in range(count)]

        def pass_on(number: int, _frame: FrameType | None) -> None:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

        for number in STOPPING:
            signal.signal(number, pass_on)
        codes = []
        for pid in pids:
            _, status = os.waitpid(pid, 0)
            codes.append(abs(os.waitstatus_to_exitcode(status)))
    return max(codes)


def _fork_worker(job: Job, index: int, folder: Path) -> int:
    parent = os.getpid()
    with signals_held():
        pid = os.fork()
        if pid == 0:
            _work_and_exit(Worker(job, index, folder), parent)
    return pid


def _work_and_exit(worker: Worker, parent: int) -> NoReturn:
    code = 1
    try:
        die_with(parent)
        for number in STOPPING:
            signal.signal(number, _stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        failed = worker.work()
        code = FAILED_RUNS if failed else 0
        service.end()
    except Stop:
        # No orderly end: that would call the interrupted run finished. Its lease runs out, and its point goes on.
        code = 128 + signal.SIGTERM
    except SashikoError as error:
        emit("error", message=str(error))
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # once is enough: the second would interrupt the clean-up
    raise Stop


if __name__ == "__main__":
    sys.exit(main())
