"""Runs as the tracker lists them: the one query that asks for them, and what is changed of one from outside."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from framework.tracking.tracker import Tracker
from framework.tracking.workplace import USED

PAGE = 500
_LIST = """
query Runs($entity: String, $project: String, $filters: JSONString, $perPage: Int, $cursor: String) {
  project(entityName: $entity, name: $project) {
    id
    runs(filters: $filters, after: $cursor, first: $perPage, order: "+created_at") {
      edges { node { %s } cursor } pageInfo { endCursor hasNextPage }
    }
  }
}"""
_ONE = """
query Run($entity: String, $project: String, $name: String!) {
  project(entityName: $entity, name: $project) { run(name: $name) { id %s } }
}"""
_UPDATE = """
mutation UpsertBucket($id: String, $summaryMetrics: JSONString) {
  upsertBucket(input: {id: $id, summaryMetrics: $summaryMetrics}) { bucket { id } }
}"""
_DELETE = """
mutation DeleteRun($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }"""
_STOP = """
mutation StopRun($id: ID!) { stopRun(input: {id: $id}) { success } }"""


def listed(
    tracker: Tracker, entity: str, project: str, filters: Mapping[str, Any], fields: str, page: int = PAGE
) -> Iterator[dict[str, Any]] | None:
    """These fields (GraphQL) of the runs of a project by a filter, oldest first; None where it does not exist.

    Raises:
        TrackerError: the tracker does not answer, or answers with an error; also later on.
    """
    variables = {"entity": entity, "project": project, "filters": json.dumps(filters), "perPage": page}
    return tracker.pages(_LIST % fields, variables, "project", "runs")


def one(tracker: Tracker, entity: str, project: str, run_id: str, fields: str) -> dict[str, Any] | None:
    """These fields of one run, and its global `id`; None where there is no such run."""
    variables = {"entity": entity, "project": project, "name": run_id}
    found: dict[str, Any] | None = (tracker.execute(_ONE % fields, variables).get("project") or {}).get("run")
    return found


def set_summary(tracker: Tracker, key: str, summary: Mapping[str, Any]) -> None:
    """Replace the summary of the run with this global id."""
    tracker.execute(_UPDATE, {"id": key, "summaryMetrics": json.dumps(dict(summary))})


def note_error(
    tracker: Tracker, entity: str, project: str, run_id: str, error: str, used: Mapping[str, Any] | None = None
) -> None:
    """Put the reason of a death, and what was used, into the run's summary, which the dead run could not do."""
    run = one(tracker, entity, project, run_id, "summaryMetrics")
    if run:
        summary = json.loads(run["summaryMetrics"] or "{}")
        more = {USED: [*(summary.get(USED) or ()), dict(used)]} if used else {}
        set_summary(tracker, run["id"], {**summary, "error": error, **more})


def console_lines(tracker: Tracker, entity: str, project: str, run_id: str) -> int:
    """How many lines of console output a run has."""
    run = one(tracker, entity, project, run_id, "logLineCount") or {}
    return int(run.get("logLineCount") or 0)


def delete(tracker: Tracker, key: str) -> None:
    """Delete the run with this global id, which opens its point of a grid again; its artifacts stay."""
    tracker.execute(_DELETE, {"id": key})


def stop(tracker: Tracker, key: str) -> None:
    """Ask the run with this global id to stop; its process hears of it with its next sign of life."""
    tracker.execute(_STOP, {"id": key})
