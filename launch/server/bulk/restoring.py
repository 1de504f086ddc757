"""What is taken in bulk: runs, sweeps and versions as they were elsewhere, each whole or not at all.

What is there already and is the same is left as it is, and what differs is refused: nothing is ever overwritten.
Bytes come before what names them; for each, whoever sent it has a proof. This module knows no HTTP.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from launch.server.blobs import Blob
from launch.server.bulk import reading, told
from launch.server.bulk.parts import Part
from launch.server.bulk.proofs import Proofs
from launch.server.bulk.reading import STREAMS, Place
from launch.server.errors import CONFLICT, UNAVAILABLE, UNPROCESSABLE, ApiError
from launch.server.limits import MAX_POINTS
from launch.server.request import Request
from launch.server.storage import lines, sweeps
from launch.server.storage.artifacts import DELETED, Entry
from launch.server.storage.bulk import Which
from launch.server.wire import checked_name, checked_path, dumps, loads

STORED, SAME, DIFFERS = "stored", "same", "differs"
BEGINS = ("project", "run", "sweep", "settle", "version")
"""The kinds of the first parts of what is taken."""


class Result(NamedTuple):
    """What became of one thing: stored, the same as what is there, or refused since that differs, and in what."""

    kind: str
    name: str
    verdict: str
    why: str = ""


class Home(NamedTuple):
    """Where it goes: a project and its owner's name."""

    entity: str
    project: str


def run(request: Request, home: Home, parts: Sequence[Part], proofs: Proofs) -> Result:
    """Take a run with its streams.

    Raises:
        ApiError: something in it is not what it must be, or the sender may not change the project.
    """
    project, _ = request.made_project(*home)
    first, *streams = parts
    what = told.obj(first.body, "a run")
    name, columns = told.run(what)
    tables = request.tables
    there = tables.runs.by_name(project["id"], name)
    if there is not None:
        return _compared(request, there, what, streams)
    request.must_have_runs(project["id"])
    request.must_have_room(project["id"], sum(len(part.body) for part in parts))
    if what.get("sweep"):
        sweep = tables.sweeps.by_name(project["id"], str(what["sweep"]))
        if sweep is None:
            raise ApiError(
                f"run {name} is of the sweep {what['sweep']}, which is not there: send it before", CONFLICT
            )
        columns["sweep_id"] = sweep["id"]
    key = tables.restored.run(project["id"], name, columns)
    for part in streams:
        _store_lines(request, key, part)
    for file in told.rows(what, "files"):
        blob = proofs.of(file)
        _keep(request, blob)
        path = checked_path(file.get("name"))
        tables.files.put(key, path, blob=blob.name, md5=blob.md5, size=blob.size)
        tables.restored.file_time(key, path, told.moment(file, "updated_at"))
    _store_progress(request, key, columns.get("sweep_id"), what)
    return Result("run", name, STORED)


def _store_lines(request: Request, run_id: int, part: Part) -> None:
    if part.kind not in STREAMS:
        raise ApiError(f"a run has no stream {part.kind[:40]!r}", UNPROCESSABLE)
    try:
        texts = part.body.decode().split("\n")
    except UnicodeDecodeError as error:
        raise ApiError(f"the lines of {part.kind} are not UTF-8", UNPROCESSABLE) from error
    if texts and not texts[-1]:
        texts.pop()
    if part.kind == lines.CONSOLE:
        texts = [str(loads(text)) for text in texts]
    numbers = part.head.get("lines")
    if numbers is None:
        first = told.whole(part.head, "first", -told.LARGEST)
        numbers = range(first, first + len(texts))
    if len(numbers) != len(texts) or not all(isinstance(n, int) and abs(n) < told.LARGEST for n in numbers):
        raise ApiError(f"{part.kind} has {len(texts)} lines and {len(numbers)} numbers of lines", UNPROCESSABLE)
    start = 0
    for stop in range(1, len(numbers) + 1):
        if stop == len(numbers) or numbers[stop] != numbers[stop - 1] + 1:
            try:
                stored = request.tables.lines.put(run_id, part.kind, numbers[start], texts[start:stop])
            except ValueError as error:
                raise ApiError(str(error), UNPROCESSABLE) from error
            request.tables.usage.add_rows(run_id, stored)
            start = stop


def _store_progress(request: Request, run_id: int, sweep_id: int | None, what: Mapping[str, Any]) -> None:
    progress = what.get("progress")
    if sweep_id is None or not isinstance(progress, dict):
        return
    best = progress.get("best")
    request.tables.rungs.note(
        run_id, lines=told.whole(progress, "lines"), count=told.whole(progress, "count"),
        best=float(best) if isinstance(best, int | float) else None,
    )  # fmt: skip
    for band, loss in told.rows(what, "rungs"):
        request.tables.rungs.add(run_id, sweep_id, int(band), float(loss))


def _compared(request: Request, there: sqlite3.Row, what: dict[str, Any], streams: Sequence[Part]) -> Result:
    """Whether a run that is there is the one that comes: what is told of it, and every line."""
    which = Which(there["project_id"], names=json.dumps([there["name"]]))
    bodies: dict[str, list[bytes]] = {}
    ours: dict[str, Any] = {}
    place: Place | None = Place(there["id"] - 1)
    while place is not None:
        page = reading.runs(request, which, place)
        for packed in page.parts:
            line, _, body = packed.partition(b"\n")
            kind = json.loads(line)["part"]
            if kind == "run":
                ours = loads(body)
            else:
                bodies.setdefault(kind, []).append(body)
        place = page.then
    theirs: dict[str, list[bytes]] = {}
    for part in streams:
        theirs.setdefault(part.kind, []).append(part.body)
    differ = told.same_run(what, ours)
    differ += [kind for kind in STREAMS if b"".join(bodies.get(kind, [])) != b"".join(theirs.get(kind, []))]
    return Result("run", there["name"], DIFFERS if differ else SAME, ", ".join(differ))


def _keep(request: Request, blob: Blob) -> None:
    """Keep bytes that are about to be named from being pruned.

    Raises:
        ApiError: 503, they were pruned; the client sends them again.
    """
    if not request.services.blobs.renew(blob.name):
        raise ApiError("a file was removed since it was sent: send it again", UNAVAILABLE)


def project(request: Request, home: Home, parts: Sequence[Part]) -> Result:
    """Take what is told of the project; it is made if it is new.

    Raises:
        ApiError: as `run`.
    """
    row, made = request.made_project(*home)
    what = told.obj(parts[0].body, "a project")
    request.tables.restored.project(
        row["id"], description=told.text(what, "description"),
        created_at=told.moment(what, "created_at") if what.get("created_at") else row["created_at"],
        runs_made=told.whole(what, "runs_made"),
    )  # fmt: skip
    return Result("project", row["name"], STORED if made else SAME)


# --- sweeps --------------------------------------------------------------------------------------------------


def sweep(request: Request, home: Home, parts: Sequence[Part]) -> Result:
    """Take a sweep without its points: nobody is given one before its runs are there.

    Raises:
        ApiError: something in it is not what it must be, or the sender may not change the project.
    """
    project, _ = request.made_project(*home)
    what = told.obj(parts[0].body, "a sweep")
    name = checked_name(what.get("id"), "sweep")
    definition = what.get("definition")
    if not isinstance(definition, str):
        raise ApiError("definition must be the text of a sweep", UNPROCESSABLE)
    there = request.tables.sweeps.by_name(project["id"], name)
    if there is not None:
        same = there["config"] == definition
        return Result("sweep", name, SAME if same else DIFFERS, "" if same else "definition")
    request.must_have_room(project["id"], len(definition))
    request.tables.restored.sweep(
        project["id"], name,
        {
            **{key: told.text(what, key) for key in ("display_name", "description", "program", "metric", "goal")},
            "prior_runs": told.text(what, "prior_runs"), "config": definition,
            "method": told.one_of(what, "method", ("grid", "random", "bayes")), "state": sweeps.CANCELED,
            "size": told.whole(what, "size", sweeps.NO_END), "created_at": told.moment(what, "created_at"),
            "updated_at": told.moment(what, "updated_at"), "watched": told.whole(what, "watched"),
            "scheduled": told.whole(what, "scheduled"),
        },
    )  # fmt: skip
    return Result("sweep", name, STORED)


def settle(request: Request, home: Home, parts: Sequence[Part]) -> Result:
    """Give a sweep its points and, if it was made for them, its state.

    Raises:
        ApiError: as `sweep`.
    """
    project, _ = request.made_project(*home)
    what = told.obj(parts[0].body, "a sweep")
    there = request.tables.sweeps.by_name(project["id"], str(what.get("id")))
    if there is None:
        raise ApiError("there is no such sweep: send it before its points", CONFLICT)
    fresh = request.tables.points.drawn(there["id"]) == 0 and there["state"] == sweeps.CANCELED
    size = 0
    for part in parts[1:]:
        for line in part.body.splitlines():
            row = told.obj(line, "a point")
            columns = told.point(row)
            if columns["idx"] >= MAX_POINTS:
                raise ApiError(f"a point of number {columns['idx']:,}; at most {MAX_POINTS:,} are taken")
            of = None if not row.get("run") else request.tables.runs.by_name(project["id"], str(row["run"]))
            holder = None if of is None or request.tables.points.of_run(of["id"]) is not None else of["id"]
            request.tables.restored.point(there["id"], {**columns, "run_id": holder})
            size += len(columns["args"])
    if fresh:
        request.tables.usage.add_points(there["id"], size)
        state = told.one_of(what, "state", sweeps.STATES)
        if not parts[1:] and there["method"] == "grid" and not there["scheduled"] and state != sweeps.CANCELED:
            state = sweeps.FINISHED  # whoever told it did not know its points: it hands out nothing
        request.tables.restored.settle(there["id"], state, told.moment(what, "updated_at"))
    return Result("sweep", there["name"], STORED if fresh else SAME)


# --- artifacts -----------------------------------------------------------------------------------------------


def version(request: Request, home: Home, parts: Sequence[Part], proofs: Proofs) -> Result:
    """Take a version with its files and its lineage.

    Raises:
        ApiError: as `run`.
    """
    project, _ = request.made_project(*home)
    what = told.obj(parts[0].body, "a version")
    places = told.rows(what, "collections")
    if not places or places[0].get("name") != what.get("artifact"):
        raise ApiError("a version must be in the collection that it was made in, first", UNPROCESSABLE)
    number = told.whole(what, "version")
    called = f"{what['artifact']}:v{number}"
    digest = told.text(what, "digest") or ""
    own = _collection(request, project["id"], places[0])
    if isinstance(own, str):
        return Result("artifact", called, DIFFERS, own)
    there = request.tables.restored.numbered(own, number)
    if there is not None and there["state"] == DELETED:
        request.tables.restored.free(there["id"])
        there = None
    if there is not None and there["digest"] != digest:
        return Result("artifact", called, DIFFERS, "digest")
    key = there["id"] if there is not None else _store_version(request, project, own, what, parts[1:], proofs)
    _lineage(request, project["id"], key, what)
    for place in places if there is None else ():
        where = _collection(request, project["id"], place)
        if isinstance(where, int):
            at = told.moment(place, "placed_at")
            request.tables.restored.member(
                where, key, told.whole(place, "version"), at, told.whole(place, "versions_made")
            )
            request.tables.restored.aliases(where, key, map(str, told.rows(place, "aliases")))
    return Result("artifact", called, STORED if there is None else SAME)


def _collection(request: Request, project_id: int, place: Mapping[str, Any]) -> int | str:
    """The id of a collection, made if it is new; or in what the one that is there differs."""
    name, kind = checked_name(place.get("name"), "artifact"), told.text(place, "type") or ""
    portfolio = bool(told.whole(place, "portfolio"))
    collections = request.tables.collections
    row = collections.by_name(project_id, name)
    if row is None:
        row = collections.make(project_id, kind, name, portfolio=portfolio)
        if row is None:
            raise sqlite3.DatabaseError("a collection that was just stored is not there")
        columns = {
            "description": told.text(place, "description"), "tags": dumps(told.json_of(place, "tags", list)),
            "created_at": told.moment(place, "created_at"), "updated_at": told.moment(place, "updated_at"),
        }  # fmt: skip
        request.tables.restored.collection(row["id"], columns)
    if row["type"] != kind or bool(row["portfolio"]) != portfolio:
        return f"type {row['type']}, not {kind}"
    return int(row["id"])


def _store_version(
    request: Request,
    project: sqlite3.Row,
    own: int,
    what: Mapping[str, Any],
    parts: Sequence[Part],
    proofs: Proofs,
) -> int:
    tables = request.tables
    files = [told.obj(line, "a file") for part in parts for line in part.body.splitlines()]
    entries = list(_entries(request, files, proofs))
    request.must_have_room(project["id"], sum(entry.size for entry in entries if entry.blob))
    manifest = None if not what.get("manifest") else proofs.of(what["manifest"])
    if manifest is not None:
        _keep(request, manifest)
    maker = None if not what.get("run") else tables.runs.by_name(project["id"], str(what["run"]))
    metadata = what.get("metadata")
    key = tables.restored.version(
        own,
        {
            **{name: told.text(what, name) for name in _TEXTS}, "digest": told.text(what, "digest") or "",
            "metadata": None if metadata is None else dumps(metadata),
            "tags": dumps(told.json_of(what, "tags", list)), "run_id": None if maker is None else maker["id"],
            "history_step": told.maybe_whole(what, "history_step"), "ttl": told.maybe_whole(what, "ttl"),
            "manifest_blob": None if manifest is None else manifest.name,
            "commit_hash": told.text(what, "commit"), "created_at": told.moment(what, "created_at"),
            "updated_at": told.moment(what, "updated_at"),
        },
    )  # fmt: skip
    tables.artifacts.add_entries(key, entries)
    tables.artifacts.commit(key, told.whole(what, "version"))
    tables.restored.times(key, told.moment(what, "created_at"), told.moment(what, "updated_at"))
    return key


_TEXTS = ("description", "client_id", "sequence_client_id", "manifest_digest")


def _entries(request: Request, files: Sequence[dict[str, Any]], proofs: Proofs) -> Iterator[Entry]:
    for file in files:
        path = checked_path(file.get("path"))
        if file.get("reference") is not None:
            yield Entry(path, None, None, told.whole(file, "size"), str(file["reference"]))
            continue
        blob = proofs.of(file)
        _keep(request, blob)
        yield Entry(path, blob.name, blob.md5, blob.size, None)


def _lineage(request: Request, project_id: int, key: int, what: Mapping[str, Any]) -> None:
    for role in ("made", "used"):
        for name in told.rows(what, f"{role}_by"):
            row = request.tables.runs.by_name(project_id, str(name))
            if row is not None:
                request.tables.artifacts.link(row["id"], key, role)


def units(parts: Iterator[Part]) -> Iterator[list[Part]]:
    """The parts that belong together.

    Raises:
        ApiError: 422, the first one begins nothing.
    """
    unit: list[Part] = []
    for part in parts:
        if part.kind in BEGINS and unit:
            yield unit
            unit = []
        if not unit and part.kind not in BEGINS:
            raise ApiError(f"a part {part.kind[:40]!r} belongs to nothing", UNPROCESSABLE)
        unit.append(part)
    if unit:
        yield unit


def take(request: Request, home: Home, parts: Sequence[Part]) -> Result:
    """Take one thing.

    Raises:
        ApiError: something in it is not what it must be, or the sender may not change the project.
    """
    proofs = Proofs(request.services.signer, request.caller.user_id, parts[0].head.get("proofs"))
    match parts[0].kind:
        case "run":
            return run(request, home, parts, proofs)
        case "version":
            return version(request, home, parts, proofs)
        case "sweep":
            return sweep(request, home, parts)
        case "settle":
            return settle(request, home, parts)
    return project(request, home, parts)
