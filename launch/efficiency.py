"""sashiko efficiency: what a sweep used of what it had asked for, by job and in all, with advice in words.

Slurm's accounting tells it where there is one; else it is what the runs themselves have measured and left with
their summaries. What neither knows is "not known", and never 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from experiments import manager_of
from framework.errors import ClusterError
from framework.tracking import sweeps
from framework.tracking.ledger import Attempt
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import accounting, slurm, status
from launch.show import table_of
from launch.successors import chain_of
from launch.telling import lasting
from launch.words import counted

LITTLE, MUCH = 0.5, 0.9
"""Shares of what was asked for below which less would do, and above which more would be safer."""
IDLE_GPU = 40.0
"""Percent below which several runs could share a GPU."""
ROOM = 1.3
UNKNOWN = "not known"
ACCOUNTING, RUNS = "Slurm's accounting", "the runs themselves"


@dataclass(frozen=True)
class Used:
    """What one job used, or the runs on one machine outside jobs; None is what is not known.

    `cpu_seconds` of `cpus` for `seconds`; memory in units of 2^20 bytes, of a GPU as torch reserved it;
    `gpu_percent` is how busy it was. `workers`: the most runs at a time. Outside jobs `cpus` and `memory_mb` are
    those of the machine. `starts`: how often the job has begun, as far as its runs tell.
    """

    job: str | None
    host: str | None
    state: str | None
    runs: int
    workers: int
    seconds: float | None
    cpus: float | None
    cpu_seconds: float | None
    memory_mb: float | None
    peak_memory_mb: float | None
    gpu: str | None
    gpu_percent: float | None
    peak_gpu_memory_mb: float | None
    measured_by: str
    starts: int = 1

    @property
    def cpu_share(self) -> float | None:
        """Which share of its processors it used."""
        if not self.seconds or not self.cpus or self.cpu_seconds is None:
            return None
        return self.cpu_seconds / (self.seconds * self.cpus)

    @property
    def memory_share(self) -> float | None:
        """Which share of its memory it used at most."""
        return None if not self.memory_mb or self.peak_memory_mb is None else self.peak_memory_mb / self.memory_mb


@dataclass(frozen=True)
class Efficiency:
    """What a sweep used. The shares are of what was asked for, and None where it is not known."""

    sweep: str
    jobs: Sequence[Used]
    cpu_share: float | None
    memory_share: float | None
    gpu_percent: float | None
    advice: Sequence[str]


def read(tracker: Tracker, path: SweepPath) -> Efficiency:
    """What the runs of a sweep and its successors used.

    Raises:
        TrackerError: there is no such sweep, or the tracker does not answer.
    """
    sweep = sweeps.find(tracker, path)
    chain = chain_of(tracker, sweep, manager_of(sweep.definition.experiment).config)
    ledger = chain.ledger
    runs = [run for entry in ledger.entries for run in entry.attempts] + list(ledger.strangers)
    jobs = measured(runs)
    ids = [used.job for used in jobs if used.job]
    queued, told = _queued(ids), accounting.of(ids)
    jobs = [_corrected(used, queued.get(used.job or ""), told.get(used.job or "")) for used in jobs]
    return Efficiency(
        sweep=str(path),
        jobs=jobs,
        cpu_share=_mean((used.cpu_share, (used.seconds or 0) * (used.cpus or 0)) for used in jobs),
        memory_share=_most(used.memory_share for used in jobs),
        gpu_percent=_mean((used.gpu_percent, used.seconds or 0) for used in jobs),
        advice=advice(jobs),
    )


# --- measured by the runs ------------------------------------------------------------------------------------


CLOCK_S = 1.0
"""The tracker tells when a run was last heard of to the second."""


@dataclass(frozen=True)
class _Stay:
    """One process of a run, from when to when, and what it used."""

    begun: float
    ended: float
    record: Mapping[str, Any]


def measured(runs: Iterable[Attempt]) -> list[Used]:
    """What the records of runs say, by job, or by host outside jobs."""
    found: dict[tuple[str | None, str | None], list[_Stay]] = {}
    for run in runs:
        for stay in _stays(run):
            job, host = stay.record.get("job"), stay.record.get("host")
            found.setdefault((job, None if job else host), []).append(stay)
    return [_used(stays) for _, stays in sorted(found.items(), key=lambda item: item[1][0].begun)]


def _stays(run: Attempt) -> Iterable[_Stay]:
    """The processes of a run, the last of which ended when the tracker last heard of it.

    When the ones before it were is not known to the second: they are put before it, one after the other.
    """
    end = run.seen or 0.0
    for record in reversed(run.used):
        begun = end - float(record.get("seconds") or 0.0)
        yield _Stay(begun, end, record)
        end = begun
    if not run.used and run.worker:
        yield _Stay(run.begun or end, run.seen or end, run.worker)


def _used(stays: Sequence[_Stay]) -> Used:
    """What the processes of one job used: those that have ended, as the others have told nothing yet."""
    every, stays = stays, _processes(stays)
    told = [stay for stay in stays if "cpu_seconds" in stay.record]
    records = [stay.record for stay in told]
    first = stays[-1].record
    spans = [(stay.begun, stay.ended, 1.0) for stay in stays]
    peaks = [(stay.begun, stay.ended, float(stay.record["peak_memory_mb"])) for stay in told]
    of_job = _most(record.get("job_memory_mb") for record in records)
    return Used(
        job=first.get("job"), host=first.get("host"), state=None, runs=len(every), workers=round(_together(spans)),
        seconds=_covered([(stay.begun, stay.ended) for stay in told or stays]), cpus=first.get("cpus"),
        cpu_seconds=sum(float(record["cpu_seconds"]) for record in records) if records else None,
        memory_mb=first.get("memory_mb"), peak_memory_mb=of_job or (_together(peaks) if peaks else None),
        gpu=first.get("gpu"),
        gpu_percent=_mean((record.get("gpu_percent"), record.get("seconds") or 0) for record in records),
        peak_gpu_memory_mb=_most(record.get("peak_gpu_memory_mb") for record in records),
        measured_by=RUNS, starts=max(int(stay.record.get("attempt") or 1) for stay in stays),
    )  # fmt: skip


def _processes(stays: Sequence[_Stay]) -> list[_Stay]:
    """The stays, of runs that one process worked at once that which lasted longest: each has told the whole."""
    found: dict[object, _Stay] = {}
    for place, stay in enumerate(stays):
        alone = stay.record.get("together") is None
        key = place if alone else (stay.record.get("host"), stay.record.get("process"))
        if key not in found or stay.ended - stay.begun > found[key].ended - found[key].begun:
            found[key] = stay
    return list(found.values())


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """The seconds in which at least one was."""
    total, until = 0.0, float("-inf")
    for begun, ended in sorted(spans):
        total += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return total


def _together(spans: Sequence[tuple[float, float, float]]) -> float:
    """The largest sum of what there was at a time. What meets for no more than the clock's step was one by one."""
    ends = [(max(begun, ended - CLOCK_S), 1, -size) for begun, ended, size in spans]
    changes = sorted([*((begun, 0, size) for begun, _, size in spans), *ends])
    now = most = 0.0
    for _, _, size in changes:
        now += size
        most = max(most, now)
    return most


# --- told by Slurm -------------------------------------------------------------------------------------------


def _queued(ids: Sequence[str]) -> dict[str, slurm.Job]:
    """The jobs that Slurm still knows of, without any accounting."""
    if not ids or not slurm.is_here():
        return {}
    try:
        return {job.id: job for job in slurm.jobs_with(ids)}
    except ClusterError:
        return {}


def _corrected(used: Used, queued: slurm.Job | None, told: accounting.Told | None) -> Used:
    """With what Slurm knows better: the job's state and time, and, by its accounting, all of its processes."""
    if queued is not None:
        # Of one that was queued again it is the last part; of one that runs, its runs tell later what they use.
        is_whole = queued.has_ended and used.starts == 1
        whole = max(used.seconds or 0.0, float(queued.seconds)) if is_whole else used.seconds
        used = replace(used, state=queued.state, seconds=whole, host=queued.node or used.host)
    if told is None:
        return used
    known: dict[str, Any] = {
        "state": told.state, "seconds": told.seconds, "cpus": told.cpus, "cpu_seconds": told.cpu_seconds,
        "memory_mb": told.memory_mb, "peak_memory_mb": told.peak_memory_mb, "host": told.node,
    }  # fmt: skip
    changed = {name: value for name, value in known.items() if value is not None}
    if told.cpu_seconds is not None or told.peak_memory_mb is not None:
        changed["measured_by"] = ACCOUNTING
    return replace(used, **changed)


# --- in words ------------------------------------------------------------------------------------------------


def advice(jobs: Sequence[Used]) -> list[str]:
    """What to ask for next time, where it is far from what was used; only of jobs, which asked for something."""
    asked = [used for used in jobs if used.job and used.runs]
    if not asked:
        return []
    told = [*_of_memory(asked), *_of_cpus(asked)]
    gpu = _mean((used.gpu_percent, used.seconds or 0) for used in asked)
    if gpu is not None and gpu < IDLE_GPU:
        more = max(used.workers for used in asked) + 1
        told.append(f"the GPU was busy {gpu:.0f} % of the time: workers = {more} lets runs share it")
    return told


def _of_memory(jobs: Sequence[Used]) -> Iterable[str]:
    known = [used for used in jobs if used.peak_memory_mb is not None and used.memory_mb]
    if not known:
        return
    most = max(known, key=lambda used: used.peak_memory_mb or 0)
    peak, asked, share = most.peak_memory_mb or 0, most.memory_mb or 0, most.memory_share or 0
    told = f"peak memory {_gb(peak)} of {_gb(asked)} GB asked"
    enough = _rounded_up(ROOM * peak / 1024)
    if share > MUCH:
        yield f"{told}: memory_gb = {enough:g} would be safer"
    elif share < LITTLE and enough < asked / 1024:
        yield f"{told}: memory_gb = {enough:g} would do"


def _of_cpus(jobs: Sequence[Used]) -> Iterable[str]:
    known = [used for used in jobs if used.cpu_share is not None]
    if not known:
        return
    share = _mean((used.cpu_share, (used.seconds or 0) * (used.cpus or 0)) for used in known) or 0
    cpus = max(used.cpus or 0 for used in known)
    busiest = max((used.cpu_share or 0) * (used.cpus or 0) for used in known)
    enough = max(1, -int(-busiest // 1))
    if share < LITTLE and enough < cpus:
        yield f"{busiest:.1f} of {cpus:g} CPUs used: cpus = {enough} would do, or more workers in a job"


def _rounded_up(gb: float) -> float:
    return 0.5 if gb <= 0.5 else float(-int(-gb // 1))


def _gb(mb: float) -> str:
    return f"{mb / 1024:.1f}".removesuffix(".0")


def _mean(weighed: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(value, weight) for value, weight in weighed if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def show(found: Efficiency) -> None:
    """Print the table, what it amounts to, and the advice."""
    if not found.jobs:
        typer.echo(f"{found.sweep}: no run has told what it used yet")
        return
    rows = [_row(used) for used in found.jobs]
    kept = [name for name in rows[0] if any(row[name] for row in rows)]
    status.show([table_of([{name: row[name] for name in kept} for row in rows], words=True)])
    means = [
        f"CPU {_percent(found.cpu_share)}",
        f"memory {_percent(found.memory_share)}" + ("" if found.memory_share is None else " at most"),
        *([f"GPU {found.gpu_percent:.0f} % busy"] if found.gpu_percent is not None else []),
    ]  # fmt: skip
    jobs = sum(used.job is not None for used in found.jobs)
    others = len(found.jobs) - jobs
    what = [counted(jobs, "job")] * bool(jobs) + [counted(others, "machine") + " without Slurm"] * bool(others)
    typer.echo(f"in all ({', '.join(what)}): {', '.join(means)}")
    by = sorted({used.measured_by for used in found.jobs})
    typer.echo(f"measured by {' and '.join(by)}")
    for sentence in found.advice:
        typer.echo(f"→ {sentence}")


def _row(used: Used) -> dict[str, str]:
    cpus = "" if used.cpus is None else f" of {used.cpus:g}"
    peak = UNKNOWN if used.peak_memory_mb is None else _gb(used.peak_memory_mb)
    asked = "" if used.memory_mb is None else f" of {_gb(used.memory_mb)} GB"
    on_gpu = used.gpu is not None or used.gpu_percent is not None
    return {
        "job": used.job or "none",
        "node": used.host or "",
        "state": (used.state or "").lower(),
        "runs": str(used.runs),
        "for": lasting(used.seconds),
        "CPU used": f"{_percent(used.cpu_share)}{cpus}",
        "memory": f"{peak}{asked}",
        "GPU": _of_gpu(used) if on_gpu else "",
    }


def _of_gpu(used: Used) -> str:
    busy = UNKNOWN if used.gpu_percent is None else f"{used.gpu_percent:.0f} %"
    return busy if used.peak_gpu_memory_mb is None else f"{busy}, {_gb(used.peak_gpu_memory_mb)} GB"


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.0f} %"
