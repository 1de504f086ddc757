"""Failures of a sweep, grouped by what caused them, each with the command that mends it. Nothing is asked here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from framework.tracking.budget import Kind, kind_of_error
from framework.tracking.ledger import Attempt, Entry
from framework.tracking.states import Cause
from framework.tracking.sweeps import SweepPath

AGAIN = "sashiko rerun {sweep} --failed"
"""The command that works failed points of a grid again."""
ANEW = "sashiko sweep FILE --new"
"""The command for sweeps that are no grids: of those no point is drawn again."""
MENDS = {
    Kind.MEMORY: "give a job more (memory_gb in its profile), or a run less to do, then",
    Kind.KILLED: "most often memory was short: fewer workers, or more memory_gb, then",
    Kind.LOST: "its machine, network or job died again and again (sashiko doctor may know why), then",
    Kind.TIMEOUT: "give it more time (time_minutes in the profile of a job), then",
    Kind.CONFIG: "mend what it names, then",
    Kind.REQUIREMENT: "mend what the reason names; it is made then, and these points with it",
    Kind.STOPPED: "if it is wanted after all",
    Kind.DIVERGED: "the same numbers would come again: take a lower rate, or mend the data, then",
    Kind.EXCEPTION: "mend the cause (sashiko logs PROJECT/RUN has the traceback), then",
    Kind.UNKNOWN: "see what it printed last (sashiko logs PROJECT/RUN), mend that, then",
}
"""The one table of what to do before the command. PROJECT/RUN is the run of the example."""
_NUMBER = re.compile(r"\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
KINDS_BY_JOB = {"OUT_OF_MEMORY": Kind.MEMORY, "TIMEOUT": Kind.TIMEOUT}
"""What Slurm says of the job of a lost run, where it still knows it."""


@dataclass(frozen=True)
class Failure:
    """Points that failed for one cause: how many, in the words of one of them; `mend` is what to do, and then the
    command.
    """

    cause: str
    count: int
    what: str
    run: str
    name: str
    url: str
    mend: str
    command: str


def kind_of(attempt: Attempt, job_state: str = "") -> Kind:
    """What made an attempt fail; `job_state`: what Slurm says of its job, if that is known."""
    if attempt.cause is Cause.STOPPED:
        return Kind.STOPPED
    if job_state in KINDS_BY_JOB and attempt.cause is Cause.LOST:
        return KINDS_BY_JOB[job_state]
    if attempt.cause is Cause.LOST:
        return Kind.LOST
    return kind_of_error(attempt.error)


def grouped(
    entries: Iterable[Entry], path: SweepPath, tracker_url: str, *, command: str, states: Mapping[str, str]
) -> Sequence[Failure]:
    """The failures, those of most points first. Equal are messages that differ in their numbers alone.

    `command` works them again; `states`: what Slurm says of the jobs that it knows.
    """
    found: dict[tuple[Kind, str], list[Attempt]] = {}
    for entry in entries:
        run = entry.last
        if run is not None:
            kind = kind_of(run, states.get(str(run.worker.get("job")), ""))
            found.setdefault((kind, _NUMBER.sub("#", run.reason)), []).append(run)
    failures = [
        Failure(
            cause=str(kind),
            count=len(runs),
            what=runs[0].reason,
            run=f"{path.entity}/{path.project}/{runs[0].run_id}",
            name=runs[0].name,
            url=f"{tracker_url}/{path.entity}/{path.project}/runs/{runs[0].run_id}",
            mend=MENDS[kind].replace("PROJECT/RUN", f"{path.project}/{runs[0].run_id}"),
            command=command,
        )
        for (kind, _), runs in found.items()
    ]
    return sorted(failures, key=lambda failure: -failure.count)
