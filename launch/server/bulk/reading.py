"""Runs, sweeps and versions as parts, a page at a time. Each page is one look at the data; none waits for another.

So a project of any size is read in short transactions: who writes meanwhile waits for nothing, and a page holds
what was true at its moment. This module knows no HTTP.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from launch.server.bulk.parts import packed
from launch.server.request import Request
from launch.server.storage import lines
from launch.server.storage.bulk import BEFORE_ALL, Which

STREAMS = (lines.HISTORY, lines.EVENTS, lines.CONSOLE)
PAGE, PIECE = 2 << 20, 4 << 20
"""Bytes from which on a page is closed, and about so many of one stream in one part."""
RUNS, POINTS, ENTRIES = 50, 5_000, 5_000
"""Rows that are read at once."""
SHA256 = 64


class Place(NamedTuple):
    """How far a reading is: after which key; within a run or a version, after which stream and line or path."""

    after: int = 0
    within: int = 0
    stream: int = 0
    line: int = BEFORE_ALL
    path: str = ""


class Page(NamedTuple):
    """The parts of one page, and where the next one begins; None at the end."""

    parts: list[bytes]
    then: Place | None


def runs(request: Request, which: Which, place: Place, streams: Sequence[str] = STREAMS) -> Page:
    """The next runs with their streams."""
    parts: list[bytes] = []
    size = 0
    bulk = request.tables.bulk
    found = bulk.runs(which, (place.within or place.after + 1) - 1, RUNS)
    for run in found:
        if run["id"] != place.within:
            parts.append(_run(request, run))
            size += len(parts[-1])
            place = Place(place.after, run["id"])
        for number in range(place.stream, len(streams)):
            line = place.line if number == place.stream else BEFORE_ALL
            while run[f"has_{streams[number]}"]:
                numbers, texts, more = bulk.lines(run["id"], streams[number], line, PIECE)
                if not numbers:
                    break
                parts.append(_lines(streams[number], numbers, texts))
                size += len(parts[-1])
                line = numbers[-1]
                if size >= PAGE:
                    return Page(parts, Place(place.after, run["id"], number, line))
                if not more:
                    break
        place = Place(run["id"])
        if size >= PAGE:
            break
    return Page(parts, place if found else None)


def _lines(stream: str, numbers: list[int], texts: list[bytes]) -> bytes:
    if stream == lines.CONSOLE:
        body = b"\n".join([orjson.dumps(text.decode(errors="replace")) for text in texts])
    else:
        body = b"\n".join(texts)
        if (
            body.count(b"\n") != len(texts) - 1 or b"\r" in body
        ):  # between the tokens of a row; in none of its texts
            body = b"\n".join([text.replace(b"\n", b" ").replace(b"\r", b" ") for text in texts])
    gapless = numbers[-1] - numbers[0] + 1 == len(numbers)
    more = {} if gapless else {"lines": numbers}
    return packed(stream, body + b"\n", rows=len(numbers), first=numbers[0], **more)


def _run(request: Request, run: sqlite3.Row) -> bytes:
    """A run as JSON. Config, summary and the like are the stored texts.

    The line before it tells what a reader needs that does not read the JSON: how many files there are, and which
    runs made what this one used.
    """
    bulk = request.tables.bulk
    files = bulk.files(run["id"]) if run["has_run_files"] else []
    made_used: dict[str, list[Any]] = {"made": [], "used": []}
    for version in bulk.lineage(run["id"]) if run["has_lineage"] else ():
        if request.sees_version(version):
            made_used[version["role"]].append(_named(request, run, version))
    told = {
        "id": run["name"], "name": run["display_name"], "state": run["state"], "sweep": run["sweep_name"],
        "point": run["point"], "group": run["group_name"], "job_type": run["job_type"], "notes": run["notes"],
        "description": run["description"], "created_at": run["created_at"], "heartbeat_at": run["heartbeat_at"],
        "exit_code": run["exit_code"], "started": run["started"], "stop_requested": run["stop_requested"],
        "preempting": run["preempting"], "host": run["host"], "program": run["program"], "repo": run["repo"],
        "commit": run["commit_hash"], "tags": orjson.Fragment(run["tags"]),
        "config": orjson.Fragment(run["config"]),
        "summary": orjson.Fragment(run["summary"]), "system_metrics": orjson.Fragment(run["system_metrics"]),
        "files": [_file(file, f"/storage/run/{run['id']}/{file['name']}") for file in files],
        **made_used,
    }  # fmt: skip
    if run["sweep_id"] is not None:
        progress = request.tables.rungs.progress(run["id"])
        told["progress"] = None if progress is None else dict(progress)
        told["rungs"] = [tuple(row) for row in bulk.rungs(run["id"])]
    makers = sorted({name for version in made_used["used"] for name in version.get("made_by", ())})
    line = {"key": run["id"], "run": run["name"], "state": run["state"], "files": len(files), "makers": makers}
    return packed("run", orjson.dumps(told), **line)


def _named(request: Request, run: sqlite3.Row, version: sqlite3.Row) -> dict[str, Any]:
    """An artifact as a run tells it; of another project with that, of this one with the runs that made it."""
    told = {"artifact": version["collection_name"], "version": version["version_index"]}
    if version["project_id"] != run["project_id"]:
        return told | {"project": f"{version['entity_name']}/{version['project_name']}"}
    if version["role"] == "made":
        return told
    return told | {"made_by": request.tables.bulk.names_of(version["id"], "made", run["project_id"])}


def _file(row: sqlite3.Row, path: str) -> dict[str, Any]:
    """A file: where it is fetched (`at`), and the SHA-256 of its bytes where the server knows it."""
    told = {"name": row["name"], "md5": row["md5"], "size": row["size"], "updated_at": row["updated_at"]}
    return told | {"sha256": _sha256(row["blob"]), "at": path}


def _sha256(blob: str | None) -> str | None:
    return blob if blob is not None and len(blob) == SHA256 else None


def sweeps(request: Request, project_id: int, names: str | None, place: Place) -> Page:
    """The next sweep with its points, or more points of one."""
    bulk = request.tables.bulk
    row = bulk.sweeps(project_id, (place.within or place.after + 1) - 1, names)
    if row is None:
        return Page([], None)
    parts = []
    if row["id"] != place.within:
        told = {key: row[key] for key in _SWEEP} | {"id": row["name"], "definition": row["config"]}
        parts.append(packed("sweep", orjson.dumps(told), key=row["id"], sweep=row["name"]))
        place = Place(place.after, row["id"])
    points = bulk.points(row["id"], place.line, POINTS)
    if points:
        parts.append(packed("points", b"".join(_point(point) for point in points), rows=len(points)))
    if len(points) == POINTS:
        return Page(parts, Place(place.after, row["id"], 0, points[-1]["idx"]))
    return Page(parts, Place(row["id"]))


_SWEEP = (
    "display_name", "description", "method", "program", "metric", "goal", "state", "size", "created_at",
    "updated_at", "watched", "scheduled", "prior_runs",
)  # fmt: skip


def _point(row: sqlite3.Row) -> bytes:
    told = {
        "index": row["idx"], "args": orjson.Fragment(row["args"]), "state": row["state"], "run": row["run_name"],
        "resume": row["resume"], "attempts": row["attempts"], "lost": row["lost"], "added": row["added"],
        "coordinates": orjson.Fragment(row["coordinates"] or "null"),
    }  # fmt: skip
    return orjson.dumps(told) + b"\n"


def versions(request: Request, project_id: int, names: str | None, place: Place) -> Page:
    """The next version with its files, or more files of one; a small page, since they differ in size."""
    bulk = request.tables.bulk
    row = bulk.versions(project_id, (place.within or place.after + 1) - 1, names)
    if row is None:
        return Page([], None)
    parts = []
    if row["id"] != place.within:
        parts.append(packed("version", _version(request, row), key=row["id"]))
        place = Place(place.after, row["id"])
    entries = bulk.entries(row["id"], place.path, ENTRIES)
    if entries:
        told = (_entry(row["id"], entry) for entry in entries)
        parts.append(packed("entries", b"".join(orjson.dumps(entry) + b"\n" for entry in told), rows=len(entries)))
    if len(entries) == ENTRIES:
        return Page(parts, Place(place.after, row["id"], path=entries[-1]["path"]))
    return Page(parts, Place(row["id"]))


def _version(request: Request, row: sqlite3.Row) -> bytes:
    bulk = request.tables.bulk
    told: dict[str, Any] = {key: row[key] for key in _VERSION} | {
        "artifact": row["collection_name"], "version": row["version_index"], "type": row["type"],
        "run": row["run_name"], "commit": row["commit_hash"],
        "metadata": orjson.Fragment(row["metadata"] or "null"),
        "tags": orjson.Fragment(row["tags"]),
        "made_by": bulk.names_of(row["id"], "made", row["project_id"]),
        "used_by": bulk.names_of(row["id"], "used", row["project_id"]),
        "collections": list(_places(request, row)),
        "manifest": {
            "sha256": _sha256(row["manifest_blob"]), "size": request.services.blobs.size(row["manifest_blob"]),
            "at": f"/storage/manifest/{row['id']}/wandb_manifest.json",
        } if row["manifest_blob"] else None,
    }  # fmt: skip
    return orjson.dumps(told)


_VERSION = (
    "digest", "description", "history_step", "client_id", "sequence_client_id", "ttl", "manifest_digest", "size",
    "file_count", "created_at", "updated_at",
)  # fmt: skip


def _places(request: Request, row: sqlite3.Row) -> Iterator[Mapping[str, Any]]:
    for place in request.tables.bulk.places(row["id"], row["project_id"]):
        aliases = request.tables.collections.aliases_of(row["id"], place["id"])
        yield {
            "name": place["name"], "type": place["type"], "portfolio": place["portfolio"],
            "description": place["description"], "tags": orjson.Fragment(place["tags"]),
            "versions_made": place["versions_made"], "created_at": place["created_at"],
            "updated_at": place["updated_at"], "version": place["version_index"], "placed_at": place["placed_at"],
            "aliases": [alias["alias"] for alias in aliases],
        }  # fmt: skip


def _entry(artifact_id: int, row: sqlite3.Row) -> dict[str, Any]:
    told = {"path": row["path"], "md5": row["md5"], "size": row["size"]}
    if row["ref"] is not None:
        return told | {"reference": row["ref"]}
    at = f"/storage/artifact/{artifact_id}/{row['md5']}/{row['path']}"
    return told | {"sha256": _sha256(row["blob"]), "at": at}
