"""What each page shows: looked up in one transaction, in the shape that its template wants. Knows no HTML."""

import json
import math
import mimetypes
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from launch.server.charts import Chart, chart
from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import blob_path
from launch.server.resolvers.history import parse_line, thinned
from launch.server.resolvers.uploads import run_path
from launch.server.storage import lines
from launch.server.transfer import SHOWN_INLINE

Shown = tuple[str, dict[str, Any]]
View = Callable[[Request, Mapping[str, str]], Shown]
"""A template's name and its values, for a request and the parts of its address."""
PAGE, NEWEST = 200, 50
MAX_FILES = 500
MAX_LOG_LINES = 200
MAX_CHARTS = 24
MAX_POINTS = 300


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


def run(request: Request, parts: Mapping[str, str]) -> Shown:
    """A run: config, summary, charts, console, files, artifacts."""
    tables = request.tables
    owner = _project(request, parts)
    row = tables.runs.by_name(owner["id"], parts["run"])
    if row is None:
        raise NotFound(f"no run {parts['run']} in {owner['name']}")
    key = row["id"]
    tail = [parse_line(item["text"]) for item in tables.lines.tail(key, lines.CONSOLE, MAX_LOG_LINES)]
    files = [
        (item, request.download_url(run_path(key, item["name"])), _is_image(item["name"]))
        for item in tables.files.listed(key, None, 0, MAX_FILES)
    ]
    keys = [(item, json.loads(item["last"])) for item in tables.lines.keys(key) if item["key"][:1] != "_"]
    return "run.html", {
        "title": row["display_name"],
        "project": owner,
        "run": row,
        "tags": json.loads(row["tags"]),
        "config": _config(row),
        "summary": _summary(row),
        "keys": keys,
        "charts": _charts(request, key, [item["key"] for item, _ in keys if item["kind"] == "number"]),
        "log": tail,
        "log_count": tables.lines.count(key, lines.CONSOLE),
        "files": files,
        "file_count": tables.files.count(key),
        "made": tables.artifacts.of_run(key, "made"),
        "used": [item for item in tables.artifacts.of_run(key, "used") if request.sees(item["project_id"])],
    }


def artifact(request: Request, parts: Mapping[str, str]) -> Shown:
    """A version of an artifact: what it holds, who made it, who used it."""
    tables = request.tables
    owner = _project(request, parts)
    collection = tables.collections.by_name(owner["id"], parts["name"])
    version = parts.get("version", "latest")
    row = tables.memberships.by_alias(collection["id"], version) if collection is not None else None
    if row is None:
        raise NotFound(f"no artifact {parts['name']}:{version} in {owner['name']}")
    files = [
        (item, request.download_url(blob_path(row["id"], item["md5"], item["path"])) if item["md5"] else None)
        for item in tables.artifacts.entries(row["id"], 0, MAX_FILES)
    ]
    return "artifact.html", {
        "title": f"{row['collection_name']}:v{row['version_index']}",
        "project": owner,
        "artifact": row,
        "metadata": json.loads(row["metadata"] or "null") or {},
        "aliases": [item["alias"] for item in tables.collections.aliases_of(row["id"])],
        "versions": tables.memberships.listed(row["collection_id"])[:PAGE],
        "files": files,
        "makers": _runs(request, tables.artifacts.runs_of(row["id"], "made")),
        "users": _runs(request, tables.artifacts.runs_of(row["id"], "used")),
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


def _runs(request: Request, keys: Sequence[int]) -> list[sqlite3.Row]:
    found = (request.seen(request.tables.runs.by_id(key)) for key in keys)
    return [row for row in found if row is not None]


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


def _charts(request: Request, key: int, names: Sequence[str]) -> list[Chart]:
    shown = [name for name in names if not name.startswith("_")][:MAX_CHARTS]
    if not shown:
        return []
    rows = [json.loads(text) for text in request.tables.lines.texts(key, lines.HISTORY)]
    drawn = []
    for name in shown:
        points = [
            (float(row.get("_step", 0)), float(row[name]))
            for row in rows
            if isinstance(row.get(name), int | float) and not isinstance(row[name], bool)
        ]
        if len([value for _, value in points if math.isfinite(value)]) > 1:
            drawn.append(chart(name, thinned(points, MAX_POINTS)))
    return [item for item in drawn if item is not None]


def _is_image(name: str) -> bool:
    kind = mimetypes.guess_type(Path(name).name)[0] or ""
    return kind.startswith("image/") and kind in SHOWN_INLINE
