"""What the workers of one sweep share. Read before the first of them is forked; nothing is started here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framework.definition import Definition
from framework.manager import Manager
from framework.plan import Point, Work
from framework.tracking import making
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker


@dataclass(frozen=True)
class Job:
    """What the workers of one sweep share: all of it was read before the first fork.

    `points` are those of a grid, by their values. The tracker draws the points of other methods; each is checked
    when it comes. `required` is what the points require and is not there, in the order in which it can be made.
    `direct` are points to be worked without asking the tracker for any, by one worker alone: the id of the run for
    the index of each.
    `idle_s`: a worker that was given nothing for so long leaves, though others are at work; None waits for them.
    """

    path: SweepPath
    tracker: Tracker
    definition: Definition
    manager: Manager[Any]
    points: Mapping[str, Point]
    required: tuple[Work, ...] = ()
    idle_s: float | None = None
    direct: Mapping[int, str] = field(default_factory=dict)

    @property
    def project_path(self) -> str:
        """entity/project."""
        return f"{self.path.entity}/{self.path.project}"

    @property
    def maker(self) -> making.Maker:
        """Who makes what is required."""
        return making.Maker(self.manager, self.definition.experiment, self.project_path)
