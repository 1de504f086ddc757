"""Whether points that others hold will soon be free: their workers are silent, and their leases run out."""

from framework.errors import TrackerError
from framework.tracking.ledger import attempts_of
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import clocks

SILENT_S = 12.0
"""Workers that live give a sign every 5 s."""
HELD = ("running", "pending", "preempting")


def are_coming_free(tracker: Tracker, path: SweepPath) -> bool:
    """Whether a worker that holds a point of the sweep is silent; False where the tracker does not say."""
    try:
        found = attempts_of(tracker, path.entity, path.project, {"sweep": path.id, "state": {"$in": list(HELD)}})
    except TrackerError:
        return False
    now = clocks.now_at(tracker.url)
    return any(run.seen is not None and now - run.seen > SILENT_S for run, _ in found)
