"""A sweep whose file has changed: what is new in it is worked beside what there is, what is done stays done.

In the same sweep, where its tracker changes the points of one; elsewhere what is new becomes a successor of it.
What is gone from the file stays wanted, unless the user says that it is not.
"""

from collections.abc import Collection, Sequence

from framework.definition import Definition, read
from framework.errors import SweepClosed, TrackerAway, TrackerError
from framework.plan import Point
from framework.tracking import sweeps
from framework.tracking.ledger import Entry, Standing
from framework.tracking.sweeps import Sweep
from framework.tracking.tracker import Tracker
from launch.successors import Chain, grid_of, marked
from launch.words import counted

REPLAN = "--replan withdraws them"


def can_be_extended(sweep: Sweep, chain: Chain, definition: Definition) -> bool:
    """Whether a sweep that differs from a file is an earlier state of it.

    Not if it was cancelled, or if runs of it were made by configs that are in no plan today: then the code has
    changed, and what it calls by the same values is something else.
    """
    if not definition.is_grid or sweeps.CANCELED in {chain.last.state, sweep.state}:
        return False
    return not chain.ledger.changed and bool(chain.ledger.entries)


def extend(
    tracker: Tracker, chain: Chain, definition: Definition, points: Sequence[Point], *, replan: bool
) -> str:
    """Have what is new in a plan worked, too; a sentence that says what became of the sweep.

    Raises:
        TrackerError: the tracker does not answer, or refuses the new points.
        SweepClosed: nothing is left but what is withdrawn, and the tracker can only stop the sweep.
    """
    known = {entry.point.config_id: entry for entry in chain.ledger.entries if entry.point}
    wanted = {point.config_id for point in points}
    new = [point for point in points if point.config_id not in known]
    gone = [entry for config_id, entry in known.items() if config_id not in wanted]
    still_open = [entry.point for entry in gone if entry.standing is Standing.OPEN and entry.point]
    told = f"{len(new)} new, {len(points) - len(new)} unchanged, {len(gone)} gone"
    if still_open:
        told += f": {counted(len(still_open), 'open point')} " + ("withdrawn" if replan else f"kept; {REPLAN}")
    path = chain.last.path
    if not new and not (replan and still_open):
        return f"{path} has all of it ({told})"
    stay = [] if replan else [entry.point for entry in gone if entry.point]
    text = grid_of(definition, [*points, *stay]).text() if stay else definition.text()
    if len(chain.sweeps) == 1 and _redefined(tracker, chain.last, text):
        return f"changed {path} ({told})"
    what = "new"
    if (replan and still_open) or not chain.ledger.count(Standing.HELD):
        # What it hands out cannot change: it hands out no more, and what is open moves on, to be worked as one.
        rest = [entry.point for entry in chain.ledger.open if entry.point and not _is_gone(entry, wanted, replan)]
        new, what = new + rest, "new and open" if rest else "new"
        if chain.last.state in (*sweeps.HANDS_OUT, sweeps.PAUSED):
            sweeps.set_state(tracker, chain.last.key, sweeps.FINISHED)
    if not new:
        raise SweepClosed(f"stopped {path}: nothing is left to do, and this tracker withdraws no points ({told})")
    text = marked(chain, new, withdraws=replan and bool(still_open)).text()
    made = sweeps.create(tracker, text, path.entity, path.project).path
    return f"made sweep {made} of what is {what} beside {path} ({told})"


def _is_gone(entry: Entry, wanted: Collection[str], replan: bool) -> bool:
    return replan and entry.point is not None and entry.point.config_id not in wanted


def _redefined(tracker: Tracker, sweep: Sweep, text: str) -> bool:
    """Give a sweep another definition; False where the tracker does not, whether it says so or not."""
    try:
        sweeps.redefine(tracker, sweep.key, text)
    except TrackerAway:
        raise
    except TrackerError:
        return False
    held = sweeps.definition_of(tracker, sweep.path)
    return held.points() == read(text, str(sweep.path)).points()
