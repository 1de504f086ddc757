"""What each page shows: looked up in one transaction, in the shape that its template wants. Knows no HTML."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from framework.definition import read
from framework.errors import DefinitionError
from launch.server.errors import NotFound
from launch.server.request import Request

Shown = tuple[str, dict[str, Any]]
View = Callable[[Request, Mapping[str, str]], Shown]
"""A template's name and its values, for a request and the parts of its address."""
PAGE = 200
MAX_COLUMNS = 8


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
    """A project's sweeps, runs and artifacts."""
    tables = request.tables
    row = _project(request, parts)
    page = _page(parts)
    where = ("runs.project_id = ?", (row["id"],))
    runs = tables.runs.listed(where, "runs.id DESC", page * PAGE, PAGE + 1)
    sweeps = [(sweep, tables.points.counts(sweep["id"])) for sweep in tables.sweeps.listed(row["id"], 0, PAGE)]
    collections = [
        (item, tables.memberships.latest(item["id"])) for item in tables.collections.listed(row["id"])[-PAGE:]
    ]
    return "project.html", {
        "title": row["name"],
        "project": row,
        "sweeps": sweeps,
        "runs": runs[:PAGE],
        "total": tables.runs.count(where),
        "collections": collections,
        "page": page,
        "more": len(runs) > PAGE,
    }


def sweep(request: Request, parts: Mapping[str, str]) -> Shown:
    """A sweep: its state, its points, its runs with what varies and what came out."""
    tables = request.tables
    owner = _project(request, parts)
    row = tables.sweeps.by_name(owner["id"], parts["sweep"])
    if row is None:
        raise NotFound(f"no sweep {parts['sweep']} in {owner['name']}")
    page = _page(parts)
    found = tables.runs.listed(("runs.sweep_id = ?", (row["id"],)), "runs.id ASC", page * PAGE, PAGE + 1)
    runs = [(run, _config(run), _summary(run)) for run in found[:PAGE]]
    metrics = dict.fromkeys(
        key for _, _, summary in runs for key, value in summary.items() if isinstance(value, int | float)
    )
    return "sweep.html", {
        "title": row["display_name"] or row["name"],
        "project": owner,
        "sweep": row,
        "counts": tables.points.counts(row["id"]),
        "states": tables.runs.states(row["id"]),
        "agents": tables.agents.listed(row["id"]),
        "axes": _axes(row["config"]),
        "metrics": _metrics(list(metrics), row["metric"]),
        "runs": runs,
        "page": page,
        "more": len(found) > PAGE,
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


def _page(parts: Mapping[str, str]) -> int:
    text = parts.get("page", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _config(row: sqlite3.Row) -> dict[str, Any]:
    """The user's part of a run's config, without the client's wrapping."""
    config = json.loads(row["config"])
    return {
        key: item["value"] if isinstance(item, dict) and "value" in item else item
        for key, item in sorted(config.items())
        if key not in ("_wandb", "wandb_version")
    }


def _summary(row: sqlite3.Row) -> dict[str, Any]:
    summary = json.loads(row["summary"])
    found = summary if isinstance(summary, dict) else {}
    return {key: value for key, value in sorted(found.items()) if not key.startswith("_")}


def _axes(text: str) -> list[str]:
    """The parameters that vary; all of them if none does."""
    try:
        parameters = read(text).parameters
    except DefinitionError:  # written by a version that read more than this one does
        return []
    varying = [
        name for name, spec in parameters.items() if "value" not in spec and len(spec.get("values", "··")) > 1
    ]
    return sorted(varying or parameters)


def _metrics(found: list[str], first: str | None) -> list[str]:
    """The sweep's own metric before the others, and not too many of them."""
    ordered = sorted(found, key=lambda key: (key != first, key))
    return ordered[:MAX_COLUMNS]
