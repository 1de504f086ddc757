"""Points of a grid are added to their sweep once more, where its tracker does so. Runs that there are stay."""

from collections.abc import Sequence

from framework.errors import TrackerAway, TrackerError
from framework.tracking import sweeps
from framework.tracking.ledger import Entry
from framework.tracking.tracker import Tracker
from launch.successors import Chain


def add(tracker: Tracker, chain: Chain, entries: Sequence[Entry]) -> bool:
    """Add a run for each point to the sweep that is worked; False, with none added, where the tracker takes none.

    Raises:
        TrackerError: it took some, and not the others; or it is away.
    """
    given = chain.sweeps[0].definition.points()
    points = [entry.point for entry in entries if entry.point is not None]
    for number, point in enumerate(points):
        values = given[point.index] if point.index < len(given) else point.raw
        try:
            sweeps.enqueue(tracker, chain.last.key, values, point.name)
        except TrackerAway:
            raise
        except TrackerError as error:
            if number == 0:
                return False
            raise TrackerError(
                f"{number} of {len(points)} points are added, then one was refused: {error}"
            ) from error
    return True
