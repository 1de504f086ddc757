"""Which run a word means: a path of the tracker, an id, or the name that people see."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from framework.errors import TrackerError
from framework.tracking import remote_runs, sweeps
from framework.tracking.sweeps import Sweep, SweepPath
from framework.tracking.tracker import DEFAULT_PROJECT, Tracker

_FIELDS = "name displayName state sweepName"
SHOWN = 5


@dataclass(frozen=True)
class FoundRun:
    """A run of the tracker. `key` is the tracker's own id of it; `sweep` is empty outside one."""

    entity: str
    project: str
    id: str
    key: str
    name: str
    state: str
    sweep: str = ""

    @property
    def path(self) -> str:
        """entity/project/id."""
        return f"{self.entity}/{self.project}/{self.id}"


def find_run(tracker: Tracker, text: str) -> FoundRun:
    """The run that `[[ENTITY/]PROJECT/]RUN` means; RUN is an id, or a name that only one run of the project has.

    Without a project `WANDB_PROJECT` or the usual one is looked in, then the others of the key's own entity.

    Raises:
        TrackerError: there is no such run, several have the name, or the tracker does not answer.
    """
    found = look_for_run(tracker, text)
    if found is None:
        raise TrackerError(
            f"{tracker.url} has no run {text}; a run is [[ENTITY/]PROJECT/]ID, or its name in place of the ID"
        )
    return found


def sweep_or_run(tracker: Tracker, text: str, locate: Callable[[Tracker, str], SweepPath]) -> Sweep | FoundRun:
    """What a word means that may be either; `locate` finds the sweep that is meant, if one is.

    Raises:
        TrackerError: it is neither, or the tracker does not answer.
    """
    path = locate(tracker, text)
    found = sweeps.find_any(tracker, path) or look_for_run(tracker, text)
    if found is None:
        raise TrackerError(f"{tracker.url} has no sweep {path}, and no run {text}")
    return found


def look_for_run(tracker: Tracker, text: str) -> FoundRun | None:
    """As `find_run`, but None where there is no such run."""
    *home, name = text.strip("/").split("/")
    if not name or len(home) > 2:
        return None
    entity = home[0] if len(home) == 2 else tracker.check()
    if home:
        return _in(tracker, entity, home[-1], name)
    first = os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    others = (project for project in sweeps.projects(tracker, entity) if project != first)
    places = [first, *others]
    return next(filter(None, (_in(tracker, entity, project, name) for project in places)), None)


def _in(tracker: Tracker, entity: str, project: str, name: str) -> FoundRun | None:
    node = remote_runs.one(tracker, entity, project, name, _FIELDS)
    if node is None:
        listed = remote_runs.listed(tracker, entity, project, {"display_name": name}, f"id {_FIELDS}")
        nodes = list(listed or ())
        if len(nodes) > 1:
            ids = ", ".join(other["name"] for other in nodes[-SHOWN:])
            raise TrackerError(
                f"{len(nodes)} runs of {entity}/{project} are called {name}; give an id, such as {ids}"
            )
        node = nodes[0] if nodes else None
    if node is None:
        return None
    shown = node["displayName"] or node["name"]
    return FoundRun(entity, project, node["name"], node["id"], shown, node["state"], node.get("sweepName") or "")
