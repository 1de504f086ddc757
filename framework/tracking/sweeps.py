"""Sweeps and agents as the tracker speaks of them: make or find a sweep, claim points.

The same few operations that `wandb sweep` and `wandb agent` use, so that a sweep made by either is worked by both.
Knows neither what a point means nor how it is run.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from framework.definition import Definition, read
from framework.errors import DefinitionError, TrackerError
from framework.tracking.tracker import DEFAULT_PROJECT, Tracker

_UPSERT = """
mutation UpsertSweep($entityName: String, $projectName: String, $config: String) {
  upsertSweep(input: {entityName: $entityName, projectName: $projectName, config: $config}) {
    sweep { id name state config project { name entity { name } } } configValidationWarnings
  }
}"""
_SWEEP = """
query Sweep($entity: String, $project: String, $name: String!) {
  project(entityName: $entity, name: $project) { sweep(sweepName: $name) { id name state config } }
}"""
_LIST = """
query ProjectSweeps($entity: String, $project: String, $perPage: Int, $cursor: String) {
  project(entityName: $entity, name: $project) {
    sweeps(first: $perPage, after: $cursor) {
      edges { node { id name state config runCount } cursor } pageInfo { endCursor hasNextPage }
    }
  }
}"""
_PROJECTS = """
query Projects($entity: String, $perPage: Int, $cursor: String) {
  models(entityName: $entity, after: $cursor, first: $perPage) {
    edges { node { name } cursor } pageInfo { endCursor hasNextPage }
  }
}"""
_AGENT = """
mutation CreateAgent($host: String!, $projectName: String, $entityName: String, $sweep: String!) {
  createAgent(input: {host: $host, projectName: $projectName, entityName: $entityName, sweep: $sweep}) {
    agent { id }
  }
}"""
_HEARTBEAT = """
mutation Heartbeat($id: ID!, $metrics: JSONString, $runState: JSONString) {
  agentHeartbeat(input: {id: $id, metrics: $metrics, runState: $runState}) { agent { id } commands }
}"""
_STATE = """
mutation UpsertSweep($id: ID, $state: String) {
  upsertSweep(input: {id: $id, state: $state}) { sweep { name } }
}"""
_REDEFINE = """
mutation UpsertSweep($id: ID, $config: String) {
  upsertSweep(input: {id: $id, config: $config}) { sweep { name } }
}"""
_ENQUEUE = """
mutation EnqueueSweepRun($id: ID!, $config: JSONString!, $displayName: String) {
  enqueueSweepRun(input: {id: $id, config: $config, displayName: $displayName}) { id }
}"""
PAGE = 100
RUNNING, PAUSED, FINISHED, CANCELED = "RUNNING", "PAUSED", "FINISHED", "CANCELED"
HANDS_OUT = (RUNNING, "PENDING")
"""States of sweeps whose points are handed out."""


@dataclass(frozen=True)
class SweepPath:
    """entity/project/id."""

    entity: str
    project: str
    id: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.id}"


def parse_path(text: str, entity: str) -> SweepPath:
    """`[ENTITY/]PROJECT/SWEEP` as a path; the project defaults to `sashiko`.

    Raises:
        DefinitionError: there are too many parts.
    """
    parts = text.strip("/").split("/")
    if len(parts) > 3 or not all(parts):
        raise DefinitionError([], f"`{text}` is no sweep; write ENTITY/PROJECT/SWEEP")
    defaults = [entity, DEFAULT_PROJECT]
    return SweepPath(*(defaults[: 3 - len(parts)] + parts))


def home_of(tracker: Tracker, definition: Definition, project: str = "") -> tuple[str, str]:
    """Entity and project of a sweep: as asked for, as the file says, or the key's own and `sashiko`."""
    entity = str(definition.data.get("entity") or tracker.check())
    return entity, project or str(definition.data.get("project") or DEFAULT_PROJECT)


@dataclass(frozen=True)
class Sweep:
    """A sweep of the tracker. `key` is its global id, `config` the text of its definition, `runs` their number."""

    path: SweepPath
    key: str
    state: str
    config: str
    runs: int = 0

    @property
    def definition(self) -> Definition:
        """Its definition.

        Raises:
            DefinitionError: the tracker holds one that this version cannot read.
        """
        return read(self.config, str(self.path))


def create(tracker: Tracker, text: str, entity: str, project: str) -> Sweep:
    """Make a sweep of the text of a definition.

    Raises:
        TrackerError: the tracker does not take the definition.
    """
    variables = {"entityName": entity, "projectName": project, "config": text}
    node = tracker.execute(_UPSERT, variables)["upsertSweep"]["sweep"]
    home = node["project"]
    return _sweep(SweepPath(home["entity"]["name"], home["name"], node["name"]), node)


def listed(tracker: Tracker, entity: str, project: str) -> Iterator[Sweep]:
    """The sweeps of a project, newest first; none where there is no such project."""
    variables = {"entity": entity, "project": project, "perPage": PAGE}
    for node in tracker.pages(_LIST, variables, "project", "sweeps") or ():
        yield _sweep(SweepPath(entity, project, node["name"]), node)


def _sweep(path: SweepPath, node: Mapping[str, Any]) -> Sweep:
    return Sweep(path, node["id"], node["state"], node["config"], node.get("runCount") or 0)


def find(tracker: Tracker, path: SweepPath) -> Sweep:
    """A sweep by its path.

    Raises:
        TrackerError: there is no such sweep.
    """
    sweep = find_any(tracker, path)
    if sweep is None:
        raise TrackerError(f"{tracker.url} has no sweep {path}")
    return sweep


def find_any(tracker: Tracker, path: SweepPath) -> Sweep | None:
    """A sweep by its path, or None where there is none."""
    variables = {"entity": path.entity, "project": path.project, "name": path.id}
    node = (tracker.execute(_SWEEP, variables).get("project") or {}).get("sweep")
    return _sweep(path, node) if node else None


def projects(tracker: Tracker, entity: str) -> list[str]:
    """The names of an entity's projects."""
    return [node["name"] for node in tracker.pages(_PROJECTS, {"entity": entity, "perPage": PAGE}, "models") or ()]


def set_state(tracker: Tracker, key: str, state: str) -> None:
    """Set the state of the sweep with this global id; `RUNNING` lets the tracker hand out its points again."""
    tracker.execute(_STATE, {"id": key, "state": state})


def enqueue(tracker: Tracker, key: str, values: Mapping[str, Any], name: str) -> str:
    """Have these values of a sweep's parameters worked once more, in the sweep with this global id; the run's id.

    Raises:
        TrackerError: the tracker does not do so for this sweep, or does not answer.
    """
    config = json.dumps({parameter: {"value": value} for parameter, value in values.items()})
    answer = tracker.execute(_ENQUEUE, {"id": key, "config": config, "displayName": name})
    return str(answer["enqueueSweepRun"]["id"])


def redefine(tracker: Tracker, key: str, text: str) -> None:
    """Give the sweep with this global id another definition, as `wandb sweep --update` does.

    Raises:
        TrackerError: the tracker does not change the points of a sweep, or does not answer.
    """
    tracker.execute(_REDEFINE, {"id": key, "config": text})


def definition_of(tracker: Tracker, path: SweepPath) -> Definition:
    """The definition of a sweep.

    Raises:
        TrackerError: there is no such sweep.
    """
    return find(tracker, path).definition


class Agent:
    """One claimant of points. An agent holds one run at a time."""

    def __init__(self, tracker: Tracker, impatient: Tracker, path: SweepPath, host: str) -> None:
        """Register with `tracker`; heartbeats go through `impatient`, which gives up sooner."""
        variables = {"host": host, "projectName": path.project, "entityName": path.entity, "sweep": path.id}
        self._tracker = impatient
        self.id = str(tracker.execute(_AGENT, variables)["createAgent"]["agent"]["id"])

    def heartbeat(self, running: str | None) -> list[dict[str, Any]]:
        """Tell which run is being worked on, and receive commands: `run`, `resume`, `stop`, `exit`, or none.

        Raises:
            TrackerAway: nobody answers at present.
        """
        state = {running: True} if running else {}
        variables = {"id": self.id, "metrics": "{}", "runState": json.dumps(state)}
        commands = self._tracker.execute(_HEARTBEAT, variables)["agentHeartbeat"]["commands"]
        received: list[dict[str, Any]] = json.loads(commands) if commands else []
        return received


def point_of(command: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a `run` command, by name, exactly as the tracker sent them."""
    return {name: spec["value"] for name, spec in (command.get("args") or {}).items()}
