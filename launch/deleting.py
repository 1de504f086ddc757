"""Deleting a sweep, which only the embedded server can do: wandb.ai offers it on its pages alone."""

from framework.errors import TrackerAway, TrackerError, TrackerGone, TrackerRefused
from framework.tracking import sweeps
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker

_DELETE = "mutation DeleteSweep($id: ID!) { deleteSweep(input: {id: $id}) { success } }"


def delete(tracker: Tracker, path: SweepPath) -> None:
    """Delete a sweep with its points; its runs are asked to stop, and stay.

    Raises:
        TrackerError: there is no such sweep, or the tracker cannot do it.
    """
    key = sweeps.find(tracker, path).key
    try:
        tracker.execute(_DELETE, {"id": key})
    except (TrackerAway, TrackerGone, TrackerRefused):
        raise
    except TrackerError as error:
        raise TrackerError(
            f"only Sashiko's own server deletes a sweep on demand; {tracker.url} says: {error}. Delete it on its "
            f"page: {tracker.url}/{path.entity}/{path.project}/sweeps/{path.id}; to end it: sashiko cancel {path}"
        ) from error
