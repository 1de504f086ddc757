"""What has become of a sweep that was worked here, as programs read it."""

from dataclasses import dataclass

from framework.tracking.ledger import Standing
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import sweeping


@dataclass(frozen=True)
class Worked:
    """How many points of a sweep are done and have failed, of `total` (None if they are drawn without an end)."""

    tracker: str
    sweep: str
    url: str
    total: int | None
    done: int
    failed: int


def worked(tracker: Tracker, path: SweepPath, first: SweepPath | None) -> Worked:
    """How far a sweep is, counted over the one whose successor it is, too.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    ledger = sweeping.whole(tracker, first or path)
    url = f"{tracker.url}/{path.entity}/{path.project}/sweeps/{path.id}"
    return Worked(tracker.url, str(path), url, ledger.total, ledger.count(Standing.DONE), len(ledger.failed))
