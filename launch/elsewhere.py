"""Points of a plan that other sweeps of the project have done already: the same work, under whatever name."""

from collections.abc import Sequence
from dataclasses import dataclass

from framework.config import Config
from framework.definition import Definition
from framework.errors import InvalidInput
from framework.plan import Point, plan
from framework.tracking import sweeps
from framework.tracking.ledger import Standing, read_ledger
from framework.tracking.tracker import Tracker
from launch.words import counted

LOOKED_AT = 50
"""Sweeps of the project that are looked at, the newest first."""


@dataclass(frozen=True)
class Elsewhere:
    """The identities of the points that are done, and the sweeps that have done them."""

    done: frozenset[str]
    sweeps: Sequence[str]

    def told(self, total: int) -> str:
        """A clause that says so; nothing where nothing is done."""
        if not self.done:
            return ""
        where = ", ".join(self.sweeps)
        return f"; {len(self.done)} of its {counted(total, 'point')} done in {where}: --open leaves them out"


def look(
    tracker: Tracker, definition: Definition, points: Sequence[Point], config: type[Config], home: tuple[str, str]
) -> Elsewhere:
    """What of a plan is done in sweeps of the same experiment in a project.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    wanted = {point.config_id for point in points}
    done: set[str] = set()
    names = []
    for number, sweep in enumerate(sweeps.listed(tracker, *home)):
        if number == LOOKED_AT or not wanted - done:
            break
        try:
            its = sweep.definition
            if its.experiment != definition.experiment or not its.is_grid:
                continue
            if not wanted & {point.config_id for point in plan(config, its)}:
                continue
        except InvalidInput:
            continue
        ledger = read_ledger(tracker, sweep.path, its, config)
        found = {e.point.config_id for e in ledger.entries if e.point and e.standing is Standing.DONE} & wanted
        if found - done:
            names.append(sweep.path.id)
        done |= found
    return Elsewhere(frozenset(done), names)
