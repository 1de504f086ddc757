"""What a mirror of a project asks for: which runs have changed, and the tables that runs logged.

The stamp of a run is a digest of its row, signs of life included, and of which artifacts it made: so it is another
one once anything of the run has changed, be it a line, a note or a table. This module knows no HTTP.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterator

import orjson

from launch.server.bulk.parts import packed
from launch.server.bulk.reading import PAGE, Page, Place
from launch.server.request import Request
from launch.server.storage.bulk import Which

RUNS = 500
RESULTS, CLIENTS = "results", "run_table"
"""Types of the artifacts that hold tables: parquet files of one artifact a run, and those of `wandb.Table`."""
PARQUET, TABLE = ".parquet", ".table.json"
MOST_BYTES = 64 << 20
"""Larger tables are not sent here: their file is told without bytes."""


def index(request: Request, which: Which, place: Place) -> Page:
    """The next runs, a line each: key, name, sweep, stamp."""
    rows = request.tables.bulk.rows(which, place.after, RUNS)
    lines = [orjson.dumps((row[0], row[1], row[2], _stamp(row))) + b"\n" for row in rows]
    parts = [packed("stamps", b"".join(lines), rows=len(lines))] if lines else []
    return Page(parts, Place(rows[-1][0]) if len(rows) == RUNS else None)


def _stamp(row: tuple[object, ...]) -> str:
    return hashlib.blake2b(repr(row).encode(errors="replace"), digest_size=10).hexdigest()


def tables(request: Request, which: Which, place: Place, only: Collection[str] | None = None) -> Page:
    """The next runs with the files of their tables: of each collection those of its newest version.

    `only`: of these tables alone with their bytes; the other ones are told all the same.
    """
    parts: list[bytes] = []
    size = 0
    found = request.tables.bulk.rows(which, place.after, RUNS)
    logged = request.tables.bulk.logged([row[0] for row in found], (RESULTS, CLIENTS))
    for key, name, *_ in found:
        place = Place(int(key))
        parts.append(packed("run", b"", key=key, run=name))
        for part in _files(request, logged.get(key, []), only):
            parts.append(part)
            size += len(part)
        if size >= PAGE:
            return Page(parts, place)
    return Page(parts, place if len(found) == RUNS else None)


def _files(request: Request, versions: list[sqlite3.Row], only: Collection[str] | None) -> Iterator[bytes]:
    """The files of a run's tables. A run with results of its own logged the others for eyes alone."""
    newest = {version["collection_id"]: version for version in versions}.values()
    own = [version for version in newest if version["type"] == RESULTS]
    for version in own or newest:
        apart = (orjson.loads(version["metadata"] or "null") or {}).get("apart") or []
        yield packed("version", b"", type=version["type"], apart=[name for name in apart if isinstance(name, str)])
        for entry in request.tables.bulk.entries(version["id"], "", -1):
            if entry["blob"] is None or not entry["path"].endswith((PARQUET, TABLE)):
                continue
            name = entry["path"].removesuffix(PARQUET).removesuffix(TABLE)  # whole: two keys may end alike
            told = {"table": name, "md5": entry["md5"], "size": entry["size"], "path": entry["path"]}
            if entry["size"] > MOST_BYTES or (only is not None and name not in only):
                at = f"/storage/artifact/{version['id']}/{entry['md5']}/{entry['path']}"
                yield packed("file", b"", at=at, **told)
            else:
                yield packed("file", request.services.blobs.read(entry["blob"], MOST_BYTES), **told)
