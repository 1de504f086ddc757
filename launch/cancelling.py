"""sashiko cancel: stops a sweep with all its jobs, one job of the cluster, or one run. Each tells what it did."""

from dataclasses import dataclass, field

import typer

from framework.errors import ClusterError
from framework.tracking import remote_runs, sweeps
from framework.tracking.states import UNDER_WAY
from framework.tracking.sweeps import Sweep
from framework.tracking.tracker import Tracker
from launch import slurm, successors
from launch.failures import AGAIN
from launch.naming import FoundRun
from launch.words import STATES, counted


@dataclass(frozen=True)
class Cancelled:
    """What was cancelled: `kind` is sweep, job or run. `state` is what it was in before."""

    kind: str
    what: str
    state: str
    cancelled: bool
    jobs: list[str] = field(default_factory=list)


def cancel_job(job_id: str) -> Cancelled:
    """Cancel a job; what it works on is given back, and stays open in its sweep.

    Raises:
        ClusterError: there is no Slurm here, it knows no such job, or does not answer.
    """
    slurm.must_be_here()
    jobs = slurm.jobs_with([job_id])  # `scancel` says nothing of one that is not there
    if not jobs:
        raise ClusterError(f"Slurm knows no job {job_id}; those of a sweep: sashiko status SWEEP")
    going_on = [job for job in jobs if not job.has_ended]
    if not going_on:
        typer.echo(f"job {job_id} is over already ({jobs[0].state.lower()})")
        return Cancelled("job", job_id, jobs[0].state.lower(), cancelled=False)
    slurm.cancel([job_id])
    if all(job.waits for job in going_on):
        typer.echo(f"cancelled job {job_id}; it waited in the queue, and had no work yet")
    else:
        typer.echo(f"cancelled job {job_id}; what it worked on is open again")
    ids = [job.id for job in going_on]
    return Cancelled("job", job_id, going_on[0].state.lower(), cancelled=True, jobs=ids)


def cancel_sweep(tracker: Tracker, sweep: Sweep) -> Cancelled:
    """Cancel a sweep: nothing of it is handed out any more, its runs are asked to stop, its jobs are cancelled.

    With it go the sweeps in which what it left open is worked.

    Raises:
        TrackerError: the tracker does not answer, or the key may not change the sweep.
        ClusterError: Slurm does not answer.
    """
    parts = successors.parts_of(tracker, sweep)
    going_on = [part for part in parts if part.state in (*sweeps.HANDS_OUT, sweeps.PAUSED)]
    for part in going_on:
        sweeps.set_state(tracker, part.key, sweeps.CANCELED)
        typer.echo(f"cancelled {part.path}: no more points are handed out, and its runs are asked to stop")
    if not going_on:
        typer.echo(f"{sweep.path} is {sweep.state.lower()} already")
    jobs: list[str] = []
    if slurm.is_here():
        jobs = [job.id for part in parts for job in slurm.jobs_of(part.path) if not job.has_ended]
        slurm.cancel(jobs)
        if jobs:
            typer.echo(f"cancelled {counted(len(jobs), 'job')}")
    cancelled = bool(going_on or jobs)
    return Cancelled("sweep", str(sweep.path), sweep.state.lower(), cancelled=cancelled, jobs=jobs)


def cancel_run(tracker: Tracker, run: FoundRun) -> Cancelled:
    """Ask a run to stop; its worker hears of it within seconds, and goes on with another point.

    Raises:
        TrackerError: the tracker does not answer, or the key may not change the run.
    """
    if run.state not in UNDER_WAY:
        typer.echo(f"run {run.path} is over already ({STATES.get(run.state, run.state)})")
        return Cancelled("run", run.path, run.state, cancelled=False)
    remote_runs.stop(tracker, run.key)
    typer.echo(f"asked run {run.path} ({run.name}) to stop; its worker hears of it within seconds")
    if run.sweep:
        again = AGAIN.format(sweep=f"{run.entity}/{run.project}/{run.sweep}")
        typer.echo(f"its point is then stopped, and not handed out again; to open it: {again}")
    return Cancelled("run", run.path, run.state, cancelled=True)
