"""What an address names: a project, a run, a version of an artifact, if the reader may see it."""

import re
import sqlite3
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.storage.blocks import as_float
from launch.server.views.columns import is_record


def project_of(request: Request, parts: Mapping[str, str]) -> sqlite3.Row:
    """The project.

    Raises:
        NotFound: there is none that the reader may see.
    """
    row = request.project(parts["entity"], parts["project"])
    if row is None:
        raise NotFound(f"no project {parts['entity']}/{parts['project']}")
    return row


def run_of(request: Request, parts: Mapping[str, str]) -> sqlite3.Row:
    """The run.

    Raises:
        NotFound: there is none that the reader may see.
    """
    owner = project_of(request, parts)
    row = request.tables.runs.by_name(owner["id"], parts["run"])
    if row is None:
        raise NotFound(f"no run {parts['run']} in {owner['name']}")
    return row


def version_of(request: Request, parts: Mapping[str, str]) -> sqlite3.Row:
    """The version of an artifact; without one the latest.

    Raises:
        NotFound: there is none that the reader may see.
    """
    owner = project_of(request, parts)
    collection = request.tables.collections.by_name(owner["id"], parts["name"])
    version = parts.get("version", "latest")
    row = request.tables.memberships.by_alias(collection["id"], version) if collection is not None else None
    if row is None:
        raise NotFound(f"no artifact {parts['name']}:{version} in {owner['name']}")
    return row


def run_address(run: sqlite3.Row) -> str:
    """The page of a run."""
    return f"/{run['entity_name']}/{quote(run['project_name'], safe='')}/runs/{quote(run['name'], safe='')}"


def version_address(row: sqlite3.Row) -> str:
    """The page of a version."""
    project, kind, name = (quote(row[part], safe="") for part in ("project_name", "type", "collection_name"))
    return f"/{row['entity_name']}/{project}/artifacts/{kind}/{name}/v{row['version_index']}"


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The user's part of a run's config, without the client's wrapping."""
    values = {
        key: item["value"] if isinstance(item, dict) and "value" in item else item
        for key, item in sorted(config.items())
        if key not in ("_wandb", "wandb_version")
    }
    return {key: value for key, value in values.items() if not is_record(key, value)}


def told_summary(summary: Any) -> dict[str, Any]:
    """What a run says of itself, without what tools write beside it, and without media, which stand elsewhere."""
    found = summary if isinstance(summary, dict) else {}
    return {
        key: value
        for key, value in sorted(found.items())
        if not is_bookkeeping(key) and not (isinstance(value, dict) and "_type" in value)
    }


def sendable(value: Any) -> Any:
    """A value as JSON for a browser: an integer beyond 64 bits becomes the nearest number that there is."""
    if isinstance(value, dict):
        return {key: sendable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sendable(item) for item in value]
    return as_float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def is_bookkeeping(key: str) -> bool:
    """Whether a key of a summary or a history is the tool's own: its clocks, its packages, where things are."""
    return key.startswith("_") or re.split(r"[/.]", key, maxsplit=1)[0] in ("timing", "provenance", "wandb")
