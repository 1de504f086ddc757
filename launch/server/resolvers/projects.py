"""Projects as the API shows them, and the ways from a project to its runs, sweeps and artifacts."""

import sqlite3
from typing import Any

from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Node
from launch.server.resolvers import artifact_queries, runs, sweeps
from launch.server.resolvers.paging import connection, window
from launch.server.resolvers.viewer import USER
from launch.server.services import Request
from launch.server.wire import ENTITY, checked_name, gid, iso

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
DEFAULT = "uncategorized"


def project(request: Request, args: Arguments) -> Node | None:
    """A project by name; null when there is none, or the entity is not this server's."""
    if args.get("entityName") not in (None, "", ENTITY):
        return None
    row = request.tables.projects.by_name(str(args.get("name") or DEFAULT))
    return None if row is None else project_node(request, row)


def projects(request: Request, args: Arguments) -> Node:
    """The projects of the entity."""
    if args.get("entityName") not in (None, "", ENTITY):
        return connection([], 0, more=False, total=0)
    offset, limit = window(args)
    rows = request.tables.projects.listed(offset, limit + 1)
    nodes = [project_node(request, row) for row in rows[:limit]]
    return connection(nodes, offset, more=len(rows) > limit)


def upsert_project(request: Request, args: Arguments) -> Node:
    """Make a project."""
    given = args.get("input") or {}
    check_entity(given.get("entityName"))
    row, inserted = request.tables.projects.make(checked_name(given.get("name"), "project"))
    node = project_node(request, row)
    return {"project": node, "model": node, "inserted": inserted}


def check_entity(name: object) -> None:
    """Refuse any entity but this server's.

    Raises:
        ApiError: it is another one.
    """
    if name not in (None, "", ENTITY):
        raise ApiError(f"this server has one entity, {ENTITY!r}, not {name!r}: leave the entity out")


def made(request: Request, entity: object, name: object) -> sqlite3.Row:
    """The project of this name, made if it is new.

    Raises:
        ApiError: the entity is not this server's, or the name cannot be one.
    """
    check_entity(entity)
    return request.tables.projects.make(checked_name(name or DEFAULT, "project"))[0]


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
        "entityName": ENTITY,
        "description": row["description"],
        "createdAt": iso(row["created_at"]),
        "updatedAt": iso(row["created_at"]),
        "isBenchmark": False,
        "readOnly": False,
        "access": "PRIVATE",
        "views": "{}",
        "user": USER,
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
    return project_reference(row["id"], row["name"])


def project_reference(key: int, name: str) -> dict[str, Any]:
    """A project that is only named."""
    return {
        "__typename": "Project",
        "id": gid("Project", key),
        "internalId": gid("ProjectInternalId", key),
        "name": name,
        "entityName": ENTITY,
        "entity": {"id": gid("Entity", 1), "name": ENTITY},
    }
