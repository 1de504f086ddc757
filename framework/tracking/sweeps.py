"""Sweeps and agents as the tracker speaks of them: make or find a sweep, claim points.

The same few operations that `wandb sweep` and `wandb agent` use, so that a sweep made by either is worked by both.
Knows neither what a point means nor how it is run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.definition import Definition, read, read_file
from framework.errors import DefinitionError, TrackerError
from framework.tracking.tracker import DEFAULT_PROJECT, Tracker

_UPSERT = """
mutation UpsertSweep($entityName: String, $projectName: String, $config: String) {
  upsertSweep(input: {entityName: $entityName, projectName: $projectName, config: $config}) {
    sweep { name project { name entity { name } } } configValidationWarnings
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
      edges { node { name state config } cursor } pageInfo { endCursor hasNextPage }
    }
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
_SUMMARY = """
query RunSummary($entity: String, $project: String, $name: String!) {
  project(entityName: $entity, name: $project) { run(name: $name) { id summaryMetrics } }
}"""
_RUNS = """
query Runs($entity: String, $project: String, $filters: JSONString, $perPage: Int, $cursor: String) {
  project(entityName: $entity, name: $project) {
    runs(filters: $filters, after: $cursor, first: $perPage, order: "+created_at") {
      edges { node { name displayName state config summaryMetrics } cursor } pageInfo { endCursor hasNextPage }
    }
  }
}"""
_UPDATE = """
mutation UpsertBucket($id: String, $summaryMetrics: JSONString) {
  upsertBucket(input: {id: $id, summaryMetrics: $summaryMetrics}) { bucket { id } }
}"""
PAGE = 100
RUNS_PAGE = 500


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


def locate(tracker: Tracker, text: str) -> SweepPath:
    """The sweep that `text` means: a path of the tracker, or a sweep file that has a sweep there.

    Raises:
        TrackerError: no sweep was made of the file yet.
        DefinitionError: the file is invalid, or `text` is no path.
    """
    if not Path(text).is_file():
        return parse_path(text, tracker.check())
    definition = read_file(Path(text))
    entity, project = home_of(tracker, definition)
    path = find_equal(tracker, definition, entity, project)
    if path is None:
        raise TrackerError(f"{entity}/{project} has no sweep of {text} yet; make it with: sashiko sweep {text}")
    return path


def create(tracker: Tracker, definition: Definition, entity: str, project: str) -> SweepPath:
    """Make a sweep of a definition."""
    variables = {"entityName": entity, "projectName": project, "config": definition.text()}
    sweep = tracker.execute(_UPSERT, variables)["upsertSweep"]["sweep"]
    return SweepPath(sweep["project"]["entity"]["name"], sweep["project"]["name"], sweep["name"])


def find_equal(tracker: Tracker, definition: Definition, entity: str, project: str) -> SweepPath | None:
    """The newest sweep of the project that has the same points, stopping rule and command, or None."""
    variables = {"entity": entity, "project": project, "perPage": PAGE}
    for node in tracker.pages(_LIST, variables, "project", "sweeps") or ():
        if node["state"] not in ("CANCELED", "STOPPED") and _same(definition, node["config"]):
            return SweepPath(entity, project, node["name"])
    return None


def _same(definition: Definition, text: str) -> bool:
    try:
        other = read(text)
    except DefinitionError:
        return False
    drawn = () if definition.is_grid else ("metric",)
    keys = ("method", "command", "program", "run_cap", "early_terminate", *drawn)
    return other.parameters == definition.parameters and all(
        other.data.get(key) == definition.data.get(key) for key in keys
    )


def definition_of(tracker: Tracker, path: SweepPath) -> Definition:
    """The definition of a sweep.

    Raises:
        TrackerError: there is no such sweep.
    """
    variables = {"entity": path.entity, "project": path.project, "name": path.id}
    sweep = (tracker.execute(_SWEEP, variables).get("project") or {}).get("sweep")
    if not sweep:
        raise TrackerError(f"{tracker.url} has no sweep {path}; `sashiko status` lists those of a project")
    return read(sweep["config"], str(path))


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


@dataclass(frozen=True)
class RunState:
    """What a sweep's overview needs to know of a run."""

    id: str
    name: str
    state: str
    config_id: str
    error: str


def run_states(tracker: Tracker, path: SweepPath) -> list[RunState]:
    """Every run of a sweep, oldest first."""
    variables = {
        "entity": path.entity, "project": path.project, "filters": json.dumps({"sweep": path.id}),
        "perPage": RUNS_PAGE,
    }  # fmt: skip
    return [_run_state(node) for node in tracker.pages(_RUNS, variables, "project", "runs") or ()]


def _run_state(node: Mapping[str, Any]) -> RunState:
    config = json.loads(node["config"] or "{}")
    summary = json.loads(node["summaryMetrics"] or "{}")
    truth = (config.get("sashiko") or {}).get("value") or {}
    return RunState(
        node["name"], node["displayName"], node["state"], truth.get("config_id", ""), str(summary.get("error", ""))
    )


def note_error(tracker: Tracker, path: SweepPath, run_id: str, error: str) -> None:
    """Put the reason of a death into the run's summary, which the dead run could not do itself."""
    variables = {"entity": path.entity, "project": path.project, "name": run_id}
    run = (tracker.execute(_SUMMARY, variables).get("project") or {}).get("run")
    if run:
        set_summary(tracker, run["id"], {**json.loads(run["summaryMetrics"] or "{}"), "error": error})


def set_summary(tracker: Tracker, key: str, summary: Mapping[str, Any]) -> None:
    """Replace the summary of a run; `key` is the tracker's own id of it."""
    tracker.execute(_UPDATE, {"id": key, "summaryMetrics": json.dumps(summary)})


def point_of(command: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a `run` command, by name, exactly as the tracker sent them."""
    return {name: spec["value"] for name, spec in (command.get("args") or {}).items()}
