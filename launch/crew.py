"""The workers' first process: reads what there is to do, imports what it takes once, and forks the workers.

    python -m launch.crew ENTITY/PROJECT/SWEEP --workers 2

It touches no GPU. Events go to standard output, one JSON object a line; the exit code is 0, 1 if a run failed, 128
plus a signal, or that of the error that stopped it.
"""

import argparse
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from experiments import manager_of
from framework.config import canonical_json
from framework.errors import Interrupted, SashikoError, TrackerError
from framework.plan import Work, plan, required
from framework.tracking import copies, fingerprint, making, provenance, sweeps
from framework.tracking.current import PATIENCE_S, invocation
from framework.tracking.tracker import Tracker, configured
from launch import client_service, scratch
from launch.child import STOPPING, die_with, signals_held
from launch.worker import Job, Stop, Worker, emit, say_away, stop

FAILED_RUNS = 1


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
    keys = [canonical_json(point) for point in definition.points()]
    needs = required(manager.requires, (point.work for point in points))
    return Job(path, tracker, definition, manager, dict(zip(keys, points, strict=True)), tuple(needs))


def _missing(job: Job) -> tuple[Work, ...]:
    """What of the required has yet to be made. Stale artifacts are told of, once for all workers.

    Raises:
        ArtifactError: one is stale, and stale ones are refused.
    """
    missing, told = [], {}
    for work in job.required:
        found, why = making.latest(job.tracker, job.project_path, work.identity)
        if found is None:
            missing.append(work)
        elif why:
            told[found.name] = why
    if told:
        reasons = dict.fromkeys(reason for why in told.values() for reason in why)
        emit("stale", names=list(told), reasons=list(reasons))
    return tuple(missing)


def main(arguments: list[str] | None = None) -> int:
    """Work a sweep; the exit code is 0, or 1 if a run failed, or that of the error that stopped it."""
    parser = argparse.ArgumentParser(prog="python -m launch.crew")
    parser.add_argument("sweep", help="ENTITY/PROJECT/SWEEP")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        with _interruptible() as stopped, scratch.folder() as folder:
            return _begin(options.sweep, options.workers, folder, stopped)
    except Interrupted as interrupted:
        return interrupted.exit_code


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A signal ends what this process does before it has workers; a second one changes nothing. The signals.

    Raises:
        Interrupted: in whatever is done meanwhile. What comes within a destructor is lost: look at the signals.
    """
    stopped: list[int] = []

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        for other in STOPPING:
            signal.signal(other, signal.SIG_IGN)
        stopped.append(number)
        raise Interrupted(number)

    for number in STOPPING:
        signal.signal(number, end)
    yield stopped


def _begin(sweep: str, workers: int, folder: Path, stopped: Sequence[int]) -> int:
    """Read what there is to do, import what it takes, fork the workers and wait for them."""
    os.environ.update(client_service.LIGHT_CLIENT)
    os.environ |= dict.fromkeys(copies.FOLDERS, str(folder / "client"))
    invocation()
    client_service.forget_inherited(os.environ)
    tracker = configured(os.environ)
    try:
        if tracker is None:
            raise TrackerError("no tracker is configured: set WANDB_BASE_URL and WANDB_API_KEY")
        job = read_job(sweep, Tracker(tracker.url, tracker.key, PATIENCE_S, say_away))
        job.manager.warm()
        import framework.tracking.run  # noqa: F401 (forked children must find it imported)

        # Found out once: the children inherit it.
        provenance.of_process()
        fingerprint.of_process()
        job = replace(job, required=_missing(job))
    except SashikoError as error:
        emit("error", message=str(error))
        return error.exit_code
    if stopped:
        raise Interrupted(stopped[0])
    emit("warm", workers=workers)
    return _fork_workers(job, workers, folder)


def _fork_workers(job: Job, count: int, folder: Path) -> int:
    pids: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    with signals_held():
        pids += [_fork_worker(job, index, folder) for index in range(count)]
        for number in STOPPING:
            signal.signal(number, pass_on)
    codes = []
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        codes.append(code if code >= 0 else 128 - code)
    return max(codes)


def _fork_worker(job: Job, index: int, folder: Path) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _work_and_exit(Worker(job, index, folder), parent)
    return pid


def _work_and_exit(worker: Worker, parent: int) -> NoReturn:
    code = 1
    try:
        die_with(parent)
        for number in STOPPING:
            signal.signal(number, stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        failed = worker.work()
        code = FAILED_RUNS if failed else 0
        client_service.end()
    except Stop as asked:
        code = 128 + asked.number
    except SashikoError as error:
        emit("error", message=str(error))
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
