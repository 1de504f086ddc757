"""The files of runs as the API shows them, and the addresses to send them to. The bytes go through `transfer`."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from launch.server.errors import NotFound
from launch.server.graphql import Arguments, Node
from launch.server.manifests import md5_base64
from launch.server.request import Request
from launch.server.resolvers.paging import connection, window
from launch.server.wire import checked_path, gid, iso, parse_gid


def create_run_files(request: Request, args: Arguments) -> Node:
    """Addresses for the named files of a run, in the order of the names."""
    given = args.get("input") or {}
    run = _run(request, given)
    names = [checked_path(name) for name in given.get("files") or []]
    files = [{"name": name, "uploadUrl": request.upload_url(run_path(run["id"], name))} for name in names]
    return {"runID": gid("Run", run["id"]), "uploadHeaders": [], "files": files}


def mark_uploaded(request: Request, args: Arguments) -> Node:
    """Nothing to do: a file is known as soon as its upload ends."""
    return {"success": True}


def delete_files(request: Request, args: Arguments) -> Node:
    """Forget files of runs."""
    given = args.get("input") or {}
    for item in given.get("files") or []:
        key = parse_gid("RunFile", item) or ""
        run_id, _, name = key.partition("/")
        run = request.tables.runs.by_id(int(run_id)) if run_id.isascii() and run_id.isdigit() else None
        if run is None:
            raise NotFound(f"no file with the id {str(item)[:80]!r}")
        request.must_change(run["project_id"])
        request.tables.files.delete(int(run_id), name)
    return {"success": True}


def listed(request: Request, run: sqlite3.Row, args: Arguments) -> Node:
    """Files of a run, by names or by an SQL LIKE pattern."""
    files = request.tables.files
    names = [name for name in args.get("names") or [] if name is not None]
    offset, limit = window(args)
    if names:
        found = [row for name in names if (row := files.get(run["id"], str(name))) is not None]
        return connection([file_node(request, run, row) for row in found], 0, more=False, total=len(found))
    rows = files.listed(run["id"], args.get("pattern"), offset, limit + 1)
    nodes = [file_node(request, run, row) for row in rows[:limit]]
    return connection(nodes, offset, more=len(rows) > limit, total=lambda _: files.count(run["id"]))


def file_node(request: Request, run: sqlite3.Row, row: sqlite3.Row) -> Node:
    """One file of a run."""
    path = run_path(run["id"], row["name"])

    def url(args: Mapping[str, Any]) -> str:
        return request.upload_url(path) if args.get("upload") else request.download_url(path)

    return {
        "__typename": "File",
        "id": gid("RunFile", f"{run['id']}/{row['name']}"),
        "name": row["name"],
        "displayName": row["name"],
        "url": url,
        "directUrl": url,
        "sizeBytes": row["size"],
        "mimetype": None,
        "updatedAt": iso(row["updated_at"]),
        "md5": md5_base64(row["md5"]),
        "digest": md5_base64(row["md5"]),
        "storagePath": None,
    }


def run_path(run_id: int, name: str) -> str:
    """The path at which a file of a run is sent and fetched."""
    return f"/storage/run/{run_id}/{name}"


def _run(request: Request, given: Mapping[str, Any]) -> sqlite3.Row:
    return request.run_at(given.get("entityName"), given.get("projectName"), given.get("runName"))
