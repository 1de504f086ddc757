"""What each page shows: looked up in one transaction, in the shape that its template wants. Knows no HTML."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from launch.server.errors import NotFound
from launch.server.request import Request

Shown = tuple[str, dict[str, Any]]
View = Callable[[Request, Mapping[str, str]], Shown]
"""A template's name and its values, for a request and the parts of its address."""
PAGE, NEWEST = 200, 50


def index(request: Request, parts: Mapping[str, str]) -> Shown:
    """Every project that the reader may see."""
    return _projects(request, "Projects", None)


def entity(request: Request, parts: Mapping[str, str]) -> Shown:
    """The projects of one user that the reader may see."""
    user = request.tables.users.by_name(parts["entity"])
    if user is None:
        raise NotFound(f"there is no user {parts['entity']}")
    return _projects(request, user["name"], user["id"])


def authorize(request: Request, parts: Mapping[str, str]) -> Shown:
    """Where the API key is. Never the key itself: this page is open to every user of the machine."""
    folder = request.services.store.path.parent
    return "authorize.html", {"title": "API key", "file": folder / "api_key"}


def project(request: Request, parts: Mapping[str, str]) -> Shown:
    """A project's sweeps, newest runs and artifacts."""
    tables = request.tables
    row = _project(request, parts)
    where = ("runs.project_id = ?", (row["id"],))
    sweeps = [(sweep, tables.points.counts(sweep["id"])) for sweep in tables.sweeps.listed(row["id"], 0, PAGE)]
    collections = [
        (item, tables.memberships.latest(item["id"])) for item in tables.collections.listed(row["id"])[-PAGE:]
    ]
    return "project.html", {
        "title": row["name"],
        "project": row,
        "sweeps": sweeps,
        "runs": tables.runs.listed(where, "runs.id DESC", 0, NEWEST),
        "total": tables.runs.count(where),
        "collections": collections,
        "page": {"base": _address(row), "view": f"/view{_address(row)}"},
    }


def runs(request: Request, parts: Mapping[str, str]) -> Shown:
    """All runs of a project, which the page's scripts ask for."""
    row = _project(request, parts)
    base = _address(row)
    title = f"Runs of {row['name']}"
    return "runs.html", {"title": title, "project": row, "page": {"base": base, "view": f"/view{base}/runs"}}


def sweep(request: Request, parts: Mapping[str, str]) -> Shown:
    """A sweep: its state, its points, its definition. Its runs are asked for by the page's scripts."""
    tables = request.tables
    owner = _project(request, parts)
    row = tables.sweeps.by_name(owner["id"], parts["sweep"])
    if row is None:
        raise NotFound(f"no sweep {parts['sweep']} in {owner['name']}")
    base = _address(owner)
    address = f"{base}/sweeps/{quote(row['name'], safe='')}"
    return "sweep.html", {
        "title": row["display_name"] or row["name"],
        "project": owner,
        "sweep": row,
        "counts": tables.points.counts(row["id"]),
        "page": {"base": base, "view": f"/view{address}", "address": f"/change{address}"},
    }


def _projects(request: Request, title: str, user_id: int | None) -> Shown:
    tables = request.tables
    seer = None if request.caller.is_owner else request.caller.user_id
    projects = [
        (row, tables.runs.count(("project_id = ?", (row["id"],))), tables.sweeps.count(row["id"]))
        for row in tables.projects.listed(0, PAGE, user_id=user_id, seen_by=seer)
    ]
    return "index.html", {"title": title, "projects": projects}


def _project(request: Request, parts: Mapping[str, str]) -> sqlite3.Row:
    row = request.project(parts["entity"], parts["project"])
    if row is None:
        raise NotFound(f"no project {parts['entity']}/{parts['project']}")
    return row


def _address(project: sqlite3.Row) -> str:
    """The address of a project's page."""
    return f"/{quote(project['entity'], safe='')}/{quote(project['name'], safe='')}"
