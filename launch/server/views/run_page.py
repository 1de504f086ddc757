"""What the page of a run shows at once; what it asks for afterwards is in the views beside this module."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from launch.server.request import Request
from launch.server.resolvers.uploads import run_path
from launch.server.storage import lines
from launch.server.views import compare, tables
from launch.server.views.keys import media_kind, numbers_in
from launch.server.views.places import is_bookkeeping, plain, project_of, run_of, told_summary

MOST_FILES = 500
SHOWN_KEYS = 2_000


def run(request: Request, parts: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """A run: config, summary, files, console, artifacts, provenance, and which curves and media there are."""
    stored = request.tables
    owner, row = project_of(request, parts), run_of(request, parts)
    key = row["id"]
    config, summary = plain(json.loads(row["config"])), told_summary(json.loads(row["summary"]))
    files = [
        (item, request.download_url(run_path(key, item["name"])))
        for item in stored.files.listed(key, None, 0, MOST_FILES)
    ]
    console = tables.console(request, parts)
    keys = [item for item in stored.lines.keys(key) if not is_bookkeeping(item["key"])]
    media = {item["key"]: kind for item in keys if (kind := media_kind(item["kind"], item["last"])) is not None}
    numbers = [name for item in keys for name in numbers_in(item["key"], item["kind"], item["last"])]
    return "run.html", {
        "key_count": len(numbers),
        "title": row["display_name"] or row["name"],
        "project": owner,
        "run": row,
        "tags": json.loads(row["tags"]),
        "config": config,
        "summary": summary,
        "console": console["lines"],
        "files": files,
        "file_count": stored.files.count(key),
        "made": stored.artifacts.of_run(key, "made"),
        "used": [item for item in stored.artifacts.of_run(key, "used") if request.sees(item["project_id"])],
        "record": compare.record(request, key),
        "given": {
            "base": f"/view/{parts['entity']}/{quote(owner['name'], safe='')}/runs/{quote(row['name'], safe='')}",
            "state": row["state"],
            "rows": stored.lines.count(key, lines.HISTORY),
            "keys": numbers[:SHOWN_KEYS],
            "media": media,
            "console": stored.lines.count(key, lines.CONSOLE),
            "first": console["first"],
            "files": stored.files.count(key),
            "system": stored.lines.count(key, lines.EVENTS) > 0,
        },
    }
