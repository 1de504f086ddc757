"""The files of runs as the API shows them, and the addresses to send them to. The bytes go through `transfer`."""

import sqlite3
from typing import Any

from launch.server.arguments import FLAG, TEXT, TEXTS
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.manifests import md5_base64
from launch.server.request import Request
from launch.server.resolvers.paging import connection, window
from launch.server.resolvers.table import Given, Payload, always, define, field, mutation
from launch.server.wire import checked_path, gid, iso, parse_gid


def create_run_files(request: Request, given: Given) -> Payload:
    """Addresses for the named files of a run, in the order of the names."""
    run = _run(request, given)
    request.must_have_room(run["project_id"])
    names = [checked_path(name) for name in given.get("files") or []]
    files = [{"name": name, "uploadUrl": request.upload_url(run_path(run["id"], name))} for name in names]
    return {"runID": gid("Run", run["id"]), "uploadHeaders": [], "files": files}


def mark_uploaded(request: Request, given: Given) -> Payload:
    """Nothing to do: a file is known as soon as its upload ends."""
    return {"success": True}


def delete_files(request: Request, given: Given) -> Payload:
    """Forget files of runs."""
    for item in given.get("files") or []:
        key = parse_gid("RunFile", item) or ""
        run_id, _, name = key.partition("/")
        is_row = run_id.isascii() and run_id.isdigit() and len(run_id) < 19
        run = request.tables.runs.by_id(int(run_id)) if is_row else None
        request.changeable(run, f"no file with the id {str(item)[:80]!r}")
        request.tables.files.delete(int(run_id), name)
    return {"success": True}


def listed(request: Request, run: sqlite3.Row, args: Arguments) -> Node:
    """Files of a run, by names or by an SQL LIKE pattern."""
    files = request.tables.files
    names = [name for name in args.get("names") or [] if name is not None]
    offset, limit = window(args)
    if names:
        found = [row for name in names if (row := files.get(run["id"], str(name))) is not None]
        return connection([Node("RunFile", (run, row)) for row in found], total=len(found))
    rows = files.listed(run["id"], args.get("pattern"), offset, limit + 1)
    nodes = [Node("RunFile", (run, row)) for row in rows[:limit]]
    return connection(nodes, offset, more=len(rows) > limit, total=lambda: files.count(run["id"]))


def run_path(run_id: int, name: str) -> str:
    """The path at which a file of a run is sent and fetched."""
    return f"/storage/run/{run_id}/{name}"


def _run(request: Request, given: Given) -> sqlite3.Row:
    return request.run_at(given.get("entityName"), given.get("projectName"), given.get("runName"))


def _url(request: Request, of: tuple[sqlite3.Row, sqlite3.Row], args: Arguments) -> str | None:
    """Where to fetch a file. Where to send one only a mutation tells (`createRunFiles`)."""
    run, row = of
    return None if args.get("upload") else request.download_url(run_path(run["id"], row["name"]))


def _of(name: str) -> Resolver:
    return lambda request, of, args: of[1][name]


def _digest(request: Request, of: tuple[sqlite3.Row, sqlite3.Row], args: Arguments) -> Any:
    return md5_base64(of[1]["md5"])


define(
    "RunFile",
    lambda request, of: request.sees(of[0]["project_id"]),
    {
        "id": lambda request, of, args: gid("RunFile", f"{of[0]['id']}/{of[1]['name']}"),
        "name": _of("name"),
        "displayName": _of("name"),
        "url": field(_url, upload=FLAG),
        "directUrl": field(_url, upload=FLAG),
        "sizeBytes": _of("size"),
        "mimetype": always(None),
        "updatedAt": lambda request, of, args: iso(of[1]["updated_at"]),
        "md5": _digest,
        "digest": _digest,
        "storagePath": always(None),
    },
    name="File",
)
MUTATIONS: dict[str, Field] = {
    "createRunFiles": mutation(create_run_files, entityName=TEXT, projectName=TEXT, runName=TEXT, files=TEXTS),
    "markRunFilesUploaded": mutation(mark_uploaded),
    "deleteFiles": mutation(delete_files, files=TEXTS),
}
