"""What the page of an artifact's version shows."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from launch.server.errors import ApiError
from launch.server.request import Request
from launch.server.resolvers.artifact_nodes import blob_path
from launch.server.views import lineage
from launch.server.views.compare import MOST_RECORD, RECORD
from launch.server.views.places import project_of, version_of

MOST_FILES, MOST_VERSIONS = 500, 200


def artifact(request: Request, parts: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """A version of an artifact: what it holds, who made it, who used it, and its siblings with their aliases."""
    tables = request.tables
    owner, row = project_of(request, parts), version_of(request, parts)
    files = [
        (item, request.download_url(blob_path(row["id"], item["md5"], item["path"])) if item["md5"] else None)
        for item in tables.artifacts.entries(row["id"], 0, MOST_FILES)
    ]
    aliases: dict[int, list[str]] = {}
    for item in tables.collections.aliases(row["member_collection_id"]):
        aliases.setdefault(item["artifact_id"], []).append(item["alias"])
    kind, name = quote(parts["type"], safe=""), quote(parts["name"], safe="")
    place = f"{parts['entity']}/{quote(owner['name'], safe='')}/artifacts/{kind}/{name}/v{row['member_index']}"
    return "artifact.html", {
        "title": f"{row['collection_name']}:v{row['version_index']}",
        "project": owner,
        "artifact": row,
        "metadata": json.loads(row["metadata"] or "null") or {},
        "aliases": aliases,
        "versions": tables.memberships.listed(row["member_collection_id"])[:MOST_VERSIONS],
        "files": files,
        "used_by": len(tables.artifacts.runs_of(row["id"], "used")),
        "makers": lineage.runs(request, tables.artifacts.runs_of(row["id"], "made")),
        "users": lineage.runs(request, tables.artifacts.runs_of(row["id"], "used")),
        "record": _record(request, row["id"]),
        "given": {"base": f"/view/{place}"},
    }


def _record(request: Request, artifact_id: int) -> dict[str, Any]:
    entry = request.tables.artifacts.entry(artifact_id, RECORD)
    if entry is None or entry["blob"] is None:
        return {}
    try:
        return tomllib.loads(request.services.blobs.read(entry["blob"], MOST_RECORD).decode())
    except (OSError, ApiError, ValueError, RecursionError):
        return {}
