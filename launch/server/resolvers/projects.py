"""Projects as the API shows them, and the ways from a project to its runs, sweeps and artifacts."""

import sqlite3
from typing import Any

from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.resolvers import artifact_queries, runs, sweeps
from launch.server.resolvers.paging import connection, window
from launch.server.resolvers.viewer import user_node
from launch.server.wire import gid, iso

FIELDS = (
    "artifact",
    "artifactCollection",
    "artifactCollectionMembership",
    "artifactCollections",
    "artifactType",
    "artifactTypes",
    "bucket",
    "createdAt",
    "entity",
    "id",
    "internalId",
    "name",
    "run",
    "runCount",
    "runs",
    "sweep",
    "sweeps",
)


def project(request: Request, args: Arguments) -> Node | None:
    """A project by name; null when there is none that the caller may see."""
    row = request.project(args.get("entityName"), args.get("name"))
    return None if row is None else project_node(request, row)


def projects(request: Request, args: Arguments) -> Node:
    """The projects of an entity that the caller may see."""
    name = str(args.get("entityName") or request.caller.name)
    user = request.tables.users.by_name(name)
    if user is None:
        return connection([], 0, more=False, total=0)
    offset, limit = window(args)
    seer = None if request.caller.is_owner else request.caller.user_id
    rows = request.tables.projects.listed(offset, limit + 1, user_id=user["id"], seen_by=seer)
    nodes = [project_node(request, row) for row in rows[:limit]]
    return connection(nodes, offset, more=len(rows) > limit)


def upsert_project(request: Request, args: Arguments) -> Node:
    """Make a project."""
    given = args.get("input") or {}
    row, inserted = request.made_project(given.get("entityName"), given.get("name"))
    node = project_node(request, row)
    return {"project": node, "model": node, "inserted": inserted}


def project_node(request: Request, row: sqlite3.Row) -> Node:
    """A project."""
    key = row["id"]
    tables = request.tables
    own = artifact_queries.project_fields(request, row)

    def sweep(args: Arguments) -> Node | None:
        found = tables.sweeps.by_name(key, str(args.get("sweepName")))
        return None if found is None else sweeps.sweep_node(request, found, row)

    def all_sweeps(args: Arguments) -> Node:
        offset, limit = window(args)
        found = tables.sweeps.listed(key, offset, limit + 1)
        nodes = [sweeps.sweep_node(request, item, row) for item in found[:limit]]
        return connection(nodes, offset, more=len(found) > limit)

    return {
        **project_info(row),
        "description": row["description"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["created_at"]),
        "isBenchmark": False,
        "readOnly": False,
        "access": "PRIVATE",
        "views": "{}",
        "user": lambda args: user_node(row["entity"]),
        "run": lambda args: runs.by_name(request, row, args),
        "bucket": lambda args: runs.by_name(request, row, args),
        "runs": lambda args: runs.listed(request, f"runs.project_id = {key:d}", args),
        "runCount": lambda args: runs.count(request, f"runs.project_id = {key:d}", args),
        "sweep": sweep,
        "sweeps": all_sweeps,
        "totalSweeps": lambda args: tables.sweeps.count(key),
        **own,
    }


def project_info(row: Any) -> dict[str, Any]:
    """What runs, sweeps and artifacts tell of their project."""
    return project_reference(row["id"], row["name"], row["entity"])


def project_reference(key: int, name: str, entity: str) -> dict[str, Any]:
    """A project that is only named."""
    return {
        "__typename": "Project",
        "id": gid("Project", key),
        "internalId": gid("ProjectInternalId", key),
        "name": name,
        "entityName": entity,
        "entity": {"__typename": "Entity", "id": gid("Entity", entity), "name": entity},
    }
