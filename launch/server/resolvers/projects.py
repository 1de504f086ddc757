"""Projects as the API shows them, and the ways from a project to its runs and sweeps."""

import sqlite3

from launch.server.arguments import JSON, LIST, PAGE, TEXT
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.request import Request
from launch.server.resolvers import artifact_queries, runs
from launch.server.resolvers.paging import connection, window
from launch.server.resolvers.table import Given, Payload, always, column, define, field, mutation, shown
from launch.server.wire import gid, iso


def project(request: Request, row: None, args: Arguments) -> Node | None:
    """A project by name; null when there is none that the caller may see."""
    return shown("Project", request.project(args.get("entityName"), args.get("name")))


def projects(request: Request, row: None, args: Arguments) -> Node:
    """The projects of an entity that the caller may see."""
    name = str(args.get("entityName") or request.caller.name)
    user = request.tables.users.by_name(name)
    if user is None:
        return connection([], total=0)
    offset, limit = window(args)
    seer = None if request.caller.is_owner else request.caller.user_id
    rows = request.tables.projects.listed(offset, limit + 1, user_id=user["id"], seen_by=seer)
    return connection([Node("Project", row) for row in rows[:limit]], offset, more=len(rows) > limit)


def upsert_project(request: Request, given: Given) -> Payload:
    """Make a project."""
    row, inserted = request.made_project(given.get("entityName"), given.get("name"))
    node = Node("Project", row)
    return {"project": node, "model": node, "inserted": inserted}


def _scope(row: sqlite3.Row) -> str:
    return f"runs.project_id = {row['id']:d}"


def _run(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    return shown("Run", request.tables.runs.by_name(row["id"], str(args.get("name"))))


def _runs(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    return runs.listed(request, _scope(row), args)


def _sweep(request: Request, row: sqlite3.Row, args: Arguments) -> Node | None:
    return shown("Sweep", request.tables.sweeps.by_name(row["id"], str(args.get("sweepName"))))


def _sweeps(request: Request, row: sqlite3.Row, args: Arguments) -> Node:
    offset, limit = window(args)
    found = request.tables.sweeps.listed(row["id"], offset, limit + 1)
    return connection([Node("Sweep", item) for item in found[:limit]], offset, more=len(found) > limit)


define(
    "Project",
    lambda request, row: request.sees(row["id"]),
    {
        "id": lambda request, row, args: gid("Project", row["id"]),
        "internalId": lambda request, row, args: gid("ProjectInternalId", row["id"]),
        "name": column("name"),
        "entityName": column("entity"),
        "entity": lambda request, row, args: Node("Entity", row["entity"]),
        "user": lambda request, row, args: Node("User", row["entity"]),
        "description": column("description"),
        "createdAt": lambda request, row, args: iso(row["created_at"]),
        "updatedAt": lambda request, row, args: iso(row["created_at"]),
        "isBenchmark": always(False),
        "readOnly": always(False),
        "access": always("PRIVATE"),
        "views": always("{}"),
        "run": field(_run, name=TEXT),
        "bucket": field(_run, name=TEXT),
        "runs": field(_runs, LIST),
        "runCount": field(lambda request, row, args: runs.count(request, _scope(row), args), filters=JSON),
        "sweep": field(_sweep, sweepName=TEXT),
        "sweeps": field(_sweeps, PAGE),
        "totalSweeps": lambda request, row, args: request.tables.sweeps.count(row["id"]),
        **artifact_queries.OF_A_PROJECT,
    },
)
QUERIES: dict[str, Resolver | Field] = {
    "models": field(projects, PAGE, entityName=TEXT),
    "project": field(project, entityName=TEXT, name=TEXT),
    "model": field(project, entityName=TEXT, name=TEXT),
}
MUTATIONS: dict[str, Field] = {
    "upsertModel": mutation(upsert_project, entityName=TEXT, name=TEXT),
}
