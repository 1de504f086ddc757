"""Versions of artifacts, and which of them each run made and used: asked by run, not by what has a name now."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from framework.tracking import remote_runs
from framework.tracking.tracker import Tracker

RUNS_PAGE, PAGE = 100, 50
COMMITTED = "COMMITTED"
_VERSION = "digest versionIndex state metadata artifactType { name } artifactSequence { name }"
_OF_RUN = """
query RunArtifacts($entity: String, $project: String, $name: String!, $perPage: Int, $cursor: String) {
  project(entityName: $entity, name: $project) {
    run(name: $name) {
      artifacts: %s(after: $cursor, first: $perPage) {
        edges { node { %s } cursor } pageInfo { endCursor hasNextPage }
      }
    }
  }
}"""
_NEWEST = f"""
query NewestArtifact($entity: String, $project: String, $name: String!) {{
  project(entityName: $entity, name: $project) {{ artifact(name: $name) {{ {_VERSION} }} }}
}}"""
FIELDS = {"made": "outputArtifacts", "used": "inputArtifacts"}


class Version(NamedTuple):
    """One version of an artifact. `collection` is its name without a version, `digest` that of its manifest."""

    kind: str
    collection: str
    number: int
    digest: str
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`<collection>:v<number>`."""
        return f"{self.collection}:v{self.number}"


def newest(tracker: Tracker, project_path: str, collection: str) -> Version | None:
    """The newest version of a collection, or None where the project has none.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    return at(tracker, project_path, f"{collection}:latest")


def at(tracker: Tracker, project_path: str, name: str) -> Version | None:
    """The version with this name (`<collection>:v<number>`, or an alias for the number), or None without one.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    entity, project = project_path.split("/")
    variables = {"entity": entity, "project": project, "name": name}
    node = (tracker.execute(_NEWEST, variables).get("project") or {}).get("artifact")
    return _version(node) if node else None


def of_runs(
    tracker: Tracker, project_path: str, filters: Mapping[str, Any], side: str
) -> Iterator[tuple[str, list[Version]]]:
    """The versions that each run of a project `made` or `used` (`side`), by run id.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error.
    """
    entity, project = project_path.split("/")
    page = f"edges {{ node {{ {_VERSION} }} }} pageInfo {{ hasNextPage }}"
    inner = f"artifacts: {FIELDS[side]}(first: {PAGE}) {{ {page} }}"
    for node in remote_runs.listed(tracker, entity, project, filters, f"name {inner}", RUNS_PAGE) or ():
        nodes = [edge["node"] for edge in node["artifacts"]["edges"]]
        if node["artifacts"]["pageInfo"]["hasNextPage"]:
            one = {"entity": entity, "project": project, "name": node["name"], "perPage": PAGE}
            query = _OF_RUN % (FIELDS[side], _VERSION)
            nodes = list(tracker.pages(query, one, "project", "run", "artifacts") or ())
        yield node["name"], [_version(one) for one in nodes if one["state"] == COMMITTED]


def _version(node: Mapping[str, Any]) -> Version:
    return Version(
        node["artifactType"]["name"],
        node["artifactSequence"]["name"],
        int(node["versionIndex"] or 0),
        node["digest"],
        json.loads(node["metadata"] or "{}"),
    )
