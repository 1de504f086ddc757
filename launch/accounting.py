"""What Slurm's accounting tells of jobs: `sacct` of those that are over, `sstat` of those that run.

Many clusters have none: then nothing is told, and that is no error.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from framework.errors import ClusterError
from launch import slurm

FIELDS = "JobID,State,ElapsedRaw,AllocCPUS,TotalCPU,MaxRSS,ReqMem,NodeList"
SIZES = {"": 1 / 2**20, "K": 1 / 2**10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}


@dataclass(frozen=True)
class Told:
    """What Slurm tells of a job; None is what it does not tell. Memory is in units of 2^20 bytes."""

    state: str | None
    node: str | None
    seconds: float | None
    cpus: float | None
    cpu_seconds: float | None
    memory_mb: float | None
    peak_memory_mb: float | None


def of(ids: Sequence[str]) -> dict[str, Told]:
    """What is told of these jobs, as far as anything is."""
    if not ids or not slurm.is_here() or shutil.which("sacct") is None:
        return {}
    try:
        words = ("--noheader", "--parsable2", "--duplicates", f"--format={FIELDS}", "--jobs", ",".join(ids))
        text = slurm.call("sacct", *words)
    except ClusterError:  # it keeps no accounts, or does not answer: there is another way
        return {}
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == FIELDS.count(",")]
    found = {job: _whole(job, [row for row in rows if row[0].partition(".")[0] == job]) for job in ids}
    return {job: told for job, told in found.items() if told is not None}


def _whole(job: str, rows: Sequence[Sequence[str]]) -> Told | None:
    """A job with all its starts, of which it has several if it was queued again; the last one says where it is."""
    begins = [place for place, row in enumerate(rows) if "." not in row[0]]
    if not begins:
        return None
    ends = [*begins[1:], len(rows)]
    starts = [_told(rows[begin:end], was_left=end < len(rows)) for begin, end in zip(begins, ends, strict=True)]
    starts[-1] = last = _of_steps(job, starts[-1])
    peaks = [start.peak_memory_mb for start in starts if start.peak_memory_mb is not None]
    is_unknown = last.state == "RUNNING" and last.cpu_seconds is None
    return replace(
        last,
        seconds=_sum(start.seconds for start in starts),
        cpu_seconds=None if is_unknown else _sum(start.cpu_seconds for start in starts),
        peak_memory_mb=max(peaks, default=None),
    )


def _sum(numbers: Iterable[float | None]) -> float | None:
    """The sum of what is known; None if nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _told(rows: Sequence[Sequence[str]], *, was_left: bool) -> Told:
    """One start of a job, whose first row is its own and the others are its steps; used is what the steps used.

    `was_left`: it is followed by another one.
    """
    _, state, elapsed, cpus, total, _, asked, node = rows[0]
    steps = [mb for row in rows[1:] if (mb := megabytes(row[5])) is not None]
    over = was_left or state.partition(" ")[0] in slurm.ENDED
    return Told(
        state=state.partition(" ")[0] or None,
        node=node if node and node != "None assigned" else None,
        seconds=float(elapsed) if elapsed.isdigit() and int(elapsed) else None,
        cpus=float(cpus) if cpus.isdigit() and int(cpus) else None,
        cpu_seconds=cpu_seconds(total) if over else None,  # while it runs, Slurm says 0
        memory_mb=_asked(asked, cpus),
        peak_memory_mb=max(steps, default=None) if any(steps) else None,
    )


def _of_steps(job: str, told: Told) -> Told:
    """With what a job that runs has used so far."""
    if told.state != "RUNNING" or shutil.which("sstat") is None:
        return told
    words = ("sstat", "--noheader", "--parsable2", "--allsteps", "--format=AveCPU,MaxRSS", "--jobs", job)
    try:
        rows = [line.split("|") for line in slurm.call(*words).splitlines() if line.count("|") == 1]
    except ClusterError:
        return told
    times = [seconds for row in rows if (seconds := cpu_seconds(row[0])) is not None]
    peaks = [mb for row in rows if (mb := megabytes(row[1])) is not None]
    used = sum(times) if any(times) else None
    return replace(told, cpu_seconds=used, peak_memory_mb=max(peaks) if any(peaks) else None)


def cpu_seconds(text: str) -> float | None:
    """Slurm's `1-02:03:04` or `03:04.250` in seconds; None for what is no time, and for 0, which means unknown."""
    whole, _, part = text.partition(".")
    seconds = slurm.seconds_of(whole) + (float(f"0.{part}") if part.isdigit() else 0.0)
    return seconds or None


def megabytes(text: str) -> float | None:
    """Slurm's `1234K` or `1.5G`, bytes without a letter, in units of 2^20 bytes; None where it says nothing."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text.strip())
    return float(match[1]) * SIZES[match[2]] if match else None


def _asked(text: str, cpus: str) -> float | None:
    """What was asked for: of the node, or of each processor (`c`), as older versions say it."""
    size = megabytes(text.rstrip("cn"))
    if size is None or not size:
        return None
    return size * int(cpus) if text.endswith("c") and cpus.isdigit() else size
