"""What the states of a run mean: still at work, or ended, and by what cause. The one table of them.

W&B's words, as wandb.ai and the embedded server use them. A word that is not here means that the run is at work:
to take it for ended would hand its work to somebody else.
"""

import signal
from enum import StrEnum


class Cause(StrEnum):
    """Why an attempt at a piece of work ended."""

    FINISHED = "finished"
    """The work is done."""
    FAILED = "failed"
    """An exception, or an exit code above 0."""
    LOST = "lost"
    """No sign of life came for the length of a lease."""
    PREEMPTED = "preempted"
    """It gave its work back because it was told to leave, by a cluster for example."""
    INTERRUPTED = "interrupted"
    """It gave its work back because somebody pressed Ctrl-C."""
    STOPPED = "stopped"
    """The tracker stopped it: a person, or a rule that ends what does not look promising."""


FINISHED, FAILED = "finished", "failed"
CAUSES = {
    FINISHED: Cause.FINISHED,
    FAILED: Cause.FAILED,
    "crashed": Cause.LOST,
    "killed": Cause.STOPPED,
    "preempted": Cause.PREEMPTED,
}
UNDER_WAY = ("running", "pending", "preempting", "preempted")
"""States of runs that may still change by themselves."""
BEST_FIRST = (FINISHED, "running", "pending", "preempting", "preempted", FAILED, "crashed", "killed")
"""Of several runs of one piece of work, the first of these speaks for it."""
INTERRUPTED_CODE, PREEMPTED_CODE = 128 + signal.SIGINT, 128 + signal.SIGUSR2
"""Exit codes of runs that gave their work back: for a person, and for a cluster."""


def cause_of(state: str, exit_code: int | None = None) -> Cause | None:
    """Why a run in this state ended; None if it is at work."""
    cause = CAUSES.get(state)
    if cause is Cause.PREEMPTED and exit_code == INTERRUPTED_CODE:
        return Cause.INTERRUPTED
    return cause
