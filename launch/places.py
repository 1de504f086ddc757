"""What runs a command is about: those of a sweep, with the experiment that it is of, or those of a project."""

from dataclasses import dataclass
from typing import Any

from experiments import manager_of
from framework.errors import ConfigError, InvalidInput, Problem, UnknownExperiment
from framework.manager import Manager
from framework.tracking import sweeps
from framework.tracking.sweeps import Sweep
from framework.tracking.tracker import Tracker
from launch import sweeping
from launch.successors import ids_of_successors


@dataclass(frozen=True)
class Place:
    """A sweep or a project. `manager` is None where the runs are not those of one experiment of this project.

    `successors`: the sweeps (by id) that worked what the sweep left open.
    """

    entity: str
    project: str
    sweep: Sweep | None = None
    manager: Manager[Any] | None = None
    successors: tuple[str, ...] = ()

    @property
    def project_path(self) -> str:
        """entity/project."""
        return f"{self.entity}/{self.project}"

    @property
    def sweeps(self) -> list[str] | None:
        """The sweeps, by id; None for all runs of the project."""
        return None if self.sweep is None else [self.sweep.path.id, *self.successors]

    @property
    def filters(self) -> dict[str, Any]:
        """W&B's, which take in the runs."""
        return {} if self.sweeps is None else {"sweep": {"$in": self.sweeps}}

    def __str__(self) -> str:
        return self.project_path if self.sweep is None else str(self.sweep.path)


def place_of(tracker: Tracker, sweep: str, project: str) -> Place:
    """The place of a sweep (a path, or a file) or of a project.

    Raises:
        ConfigError: both are given, or neither.
        TrackerError: there is no such sweep.
    """
    if bool(sweep) == bool(project):
        told = "give a sweep, or --project for all runs of a project" + ("; not both" if sweep else "")
        raise ConfigError([Problem("SWEEP", told)])
    if project:
        entity, _, name = project.rpartition("/")
        return Place(entity or tracker.check(), name)
    found = sweeps.find(tracker, sweeping.locate(tracker, sweep))
    try:
        manager = manager_of(found.definition.experiment)
    except (InvalidInput, UnknownExperiment):
        return Place(found.path.entity, found.path.project, found)
    rest = tuple(ids_of_successors(tracker, found))
    return Place(found.path.entity, found.path.project, found, manager, rest)
