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
from collections.abc import Iterator, Mapping, Sequence
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
from framework.tracking.states import PREEMPTED_CODE
from framework.tracking.tracker import Tracker, configured
from launch import bigger, client_service, held, scratch, walltime
from launch.child import HELD, STOPPING, die_with
from launch.events import emit, say_away
from launch.job import Job
from launch.slots import ALL, VISIBLE, Slot, slots_of
from launch.stopping import Stop, stop
from launch.supervising import Workers
from launch.team import must_share
from launch.worker import Worker

FAILED_RUNS = 1
GIVE_UP_S = 5.0
"""How long it is tried to give back the run of a worker that was killed."""


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
    parser.add_argument("--gpu", action="append", default=[], help="of the workers, one after the other")
    parser.add_argument("--point", type=int, action="append", default=[], help="work it, and ask for no other")
    parser.add_argument("--run", action="append", default=[], help="the ids of the runs of the points")
    parser.add_argument("--gpus-per-run", type=int, default=1, help="of those here, which a run has to itself")
    parser.add_argument("--nodes", type=int, default=1, help="of the job, which a run has to itself")
    parser.add_argument("--idle", type=float, default=None, help="seconds without work after which one leaves")
    options = parser.parse_args(arguments)
    slots = slots_meant(options.gpu, options.workers, options.nodes, options.gpus_per_run)
    direct = dict(zip(options.point, options.run, strict=True))
    bigger.remember(os.environ)
    try:
        with _interruptible() as stopped, scratch.folder() as folder:
            return _begin(options.sweep, slots, options.idle, direct, folder, stopped)
    except Interrupted as interrupted:
        return interrupted.exit_code


def slots_meant(gpus: Sequence[str], workers: int, nodes: int, per_run: int) -> list[Slot]:
    """The slots of these GPUs, or of all that are here where a run has several; without any so many workers.

    Raises:
        ConfigError: a run is to have several GPUs, and they are not here.
    """
    named = gpus if per_run == 1 else [slot.gpu for slot in slots_of(None, ALL, None, per_run)]
    return [Slot(gpu, nodes) for gpu in named] or [Slot(None, nodes)] * workers


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """A signal ends what this process does before it has workers; a second one changes nothing. The signals.

    Raises:
        Interrupted: in whatever is done meanwhile, also where a library makes an error of its own of it. What
            comes within a destructor is lost: look at the signals.
    """
    stopped: list[int] = []

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        for other in STOPPING:
            signal.signal(other, signal.SIG_IGN)
        stopped.append(number)
        raise Interrupted(number)

    for number in STOPPING:
        signal.signal(number, end)
    try:
        yield stopped
    except Exception as error:
        if not stopped:
            raise
        raise Interrupted(stopped[0]) from error


def words_for(sweep: str, slots: Sequence[Slot], idle_s: float | None = None) -> list[str]:
    """The arguments of `main` that mean these slots."""
    idle = () if idle_s is None else ("--idle", str(idle_s))
    gpus = [word for slot in slots if slot.gpu is not None for word in ("--gpu", slot.gpu)]
    nodes = [word for slot in slots[:1] if slot.nodes > 1 for word in ("--nodes", str(slot.nodes))]
    return [sweep, *(gpus or ("--workers", str(len(slots)))), *nodes, *idle]


def _begin(
    sweep: str,
    slots: Sequence[Slot],
    idle_s: float | None,
    direct: Mapping[int, str],
    folder: Path,
    stopped: Sequence[int],
) -> int:
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
        for slot in slots:
            must_share(job.manager, job.definition.experiment, slot.team)
        job.manager.warm()
        import framework.tracking.run  # noqa: F401 (forked children must find it imported)

        # Found out once: the children inherit it.
        provenance.of_process()
        fingerprint.of_process()
        job = replace(job, required=_missing(job), idle_s=idle_s, direct=direct)
    except SashikoError as error:
        emit("error", message=str(error))
        return error.exit_code
    if stopped:
        raise Interrupted(stopped[0])
    emit("warm", workers=len(slots))
    return _fork_workers(job, slots, folder)


def _fork_workers(job: Job, slots: Sequence[Slot], folder: Path) -> int:
    def lost(index: int) -> None:
        run_ids = held.take(folder, index)
        for run_id in run_ids:
            _give_back(job, run_id)
            emit("replaced", run=run_id)
        if not run_ids:
            emit("replaced", run=None)

    return Workers(lambda index: _fork_worker(job, index, slots[index], folder), lost).run(len(slots))


def _give_back(job: Job, run_id: str) -> None:
    """Hand back the run of a worker that was killed: somebody goes on with it at once."""
    end = {"preempting": True, "complete": True, "exitcode": PREEMPTED_CODE}
    try:
        replace(job.tracker, patience_s=GIVE_UP_S, say=None).file_stream(f"{job.project_path}/{run_id}", end)
    except TrackerError as error:
        emit("error", message=f"a run could not be given back, its lease will run out: {error}")


def _fork_worker(job: Job, index: int, slot: Slot, folder: Path) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        if slot.gpu is not None:  # nothing has touched a GPU yet, here or in the process that was forked
            os.environ[VISIBLE] = slot.gpu
        _work_and_exit(Worker(job, index, folder, slot.team), parent)
    return pid


def _work_and_exit(worker: Worker, parent: int) -> NoReturn:
    code = 1
    try:
        die_with(parent)
        for number in STOPPING:
            signal.signal(number, stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        failed = worker.work()
        code = FAILED_RUNS if failed else walltime.LEAVES if worker.leaves else 0
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
