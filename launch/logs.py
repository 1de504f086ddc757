"""sashiko logs: what a run printed, from the tracker, or what a job of the cluster did, from its file."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from framework.errors import ClusterError, TrackerError
from framework.tracking.states import UNDER_WAY
from framework.tracking.tracker import Tracker
from launch import naming, slurm, waiting

PAGE = 1_000
LOOK_S = 1.0
_LINES = """
query RunLogLines($entity: String, $project: String, $name: String!, $first: Int, $cursor: String) {
  project(entityName: $entity, name: $project) { run(name: $name) { state
    logLines(first: $first, after: $cursor) { edges { node { line } } pageInfo { endCursor hasNextPage } } } }
}"""


@dataclass(frozen=True)
class Line:
    """A line that was printed, and where: the path of a run, or the name of a job's file."""

    source: str
    line: str


@dataclass(frozen=True)
class Written:
    """What a run or a job has printed, as a document; `state` as the tracker or Slurm tells it."""

    what: str
    state: str
    lines: list[Line]


Take = Callable[[Line], None]
"""What is done with a line as it comes."""


def of_run(tracker: Tracker, text: str, take: Take, *, follow: bool) -> tuple[str, str]:
    """Hand on the console of a run, with `follow` until it has ended; its path and its state.

    Raises:
        TrackerError: there is no such run, or the tracker does not answer.
    """
    run = naming.find_run(tracker, text)
    cursor: str | None = None
    place = {"entity": run.entity, "project": run.project, "name": run.id, "first": PAGE}
    while True:
        found = tracker.execute(_LINES, {**place, "cursor": cursor}).get("project") or {}
        if not found.get("run"):
            raise TrackerError(f"run {run.path} was deleted meanwhile")
        lines, state = found["run"]["logLines"], str(found["run"]["state"])
        for edge in lines["edges"]:
            take(Line(run.path, edge["node"]["line"].rstrip()))
        sys.stdout.flush()
        cursor = lines["pageInfo"]["endCursor"] or cursor
        if lines["pageInfo"]["hasNextPage"]:
            continue
        if not follow or state not in UNDER_WAY:
            return run.path, state
        time.sleep(LOOK_S)


def of_job(directory: Path, job_id: str, take: Take, *, follow: bool) -> tuple[str, str]:
    """Hand on the file of a job, or those of all jobs of an array; the id, and the states that Slurm tells.

    One that waits has written nothing: that is said, and with `follow` it is waited for until all have ended.

    Raises:
        ClusterError: nothing of such a job lies in this folder, and Slurm does not know of one that waits.
    """
    seen: dict[Path, int] = {}
    told, known = "", list[slurm.Job]()
    while True:
        jobs = _jobs(job_id, must_know=follow)
        known = jobs or known
        over = all(job.has_ended for job in jobs)
        files = sorted({*_files(directory, job_id)})
        if not files and over:
            raise ClusterError(_nothing(directory, job_id, known))
        for path in files:
            _read(path, seen, take, ended=over or not follow)
        sys.stdout.flush()
        now = _why_waiting(job_id, jobs)
        if now != told:
            told = now
            if now:
                typer.echo(now, err=True)
        if not follow or over:
            states = sorted({job.state.lower() for job in jobs})
            return job_id, ", ".join(states) or "unknown"
        time.sleep(LOOK_S)


def _jobs(job_id: str, *, must_know: bool) -> list[slurm.Job]:
    """What Slurm knows of a job; nothing where it does not answer, unless it must be known when the job ends."""
    try:
        return slurm.jobs_with([job_id]) if slurm.is_here() else []
    except ClusterError:
        if must_know:
            raise
        return []


def _read(path: Path, seen: dict[Path, int], take: Take, *, ended: bool) -> None:
    """Hand on the whole lines that a file has grown by; at the end the last one, too, whole or not."""
    with path.open("rb") as file:
        file.seek(seen.get(path, 0))
        text = file.read()
    whole = text if ended else text[: text.rfind(b"\n") + 1]
    seen[path] = seen.get(path, 0) + len(whole)
    for line in whole.decode(errors="replace").splitlines():
        take(Line(path.name, line))


def _why_waiting(job_id: str, jobs: list[slurm.Job]) -> str:
    pending = [job for job in jobs if job.waits]
    if not pending:
        return ""
    reason = pending[0].reason
    why = "; ".join(filter(None, [waiting.meaning(reason), reason and f"Slurm: {reason}"]))
    some = f"{len(pending)} of {len(jobs)} jobs of {job_id} wait" if len(jobs) > 1 else f"job {job_id} waits"
    return f"{some} in the queue: {why}"


def _nothing(directory: Path, job_id: str, jobs: list[slurm.Job]) -> str:
    place = directory / "slurm"
    if jobs:
        how = "cancelled while it waited" if jobs[0].waits else jobs[0].state.lower()
        return (
            f"job {job_id} is over ({how}) and has written nothing below {place}: it never began, or it was "
            "submitted from another folder (--dir)"
        )
    return (
        f"no job {job_id} has written below {place}, and Slurm knows of none that waits: it was submitted from "
        "another folder (--dir), or from another cluster"
    )


def _files(directory: Path, job_id: str) -> Iterator[Path]:
    """The files of a job: `12_3` is one of the array `12`, of which each has its own."""
    for pattern in (f"*/{job_id}_?*_log.out", f"*/{job_id}_log.out"):
        yield from (directory / "slurm").glob(pattern)


def printer(what: str) -> Take:
    """Prints lines as they come; of a whole array the file of each job is named where its lines begin."""
    last = ""

    def take(line: Line) -> None:
        nonlocal last
        if line.source != last and _is_one_of_array(line.source) and "_" not in what:
            sys.stdout.write(f"== {line.source}\n")
        last = line.source
        sys.stdout.write(f"{line.line}\n")

    return take


def _is_one_of_array(source: str) -> bool:
    return re.fullmatch(r"\d+_\d+_\d+_log\.out", source) is not None
