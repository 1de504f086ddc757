"""A project of any W&B server, read through the API of its client and told as parts, as a bulk reading tells it.

Some things the API does not tell: when within a second a run was made, more than a sample of its system metrics,
the points of a sweep, and the ids by which rows name artifacts. A file comes to the disk first, one at a time.
"""

import base64
import binascii
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import wandb

from framework.errors import TrackerError
from framework.tracking import sweeps
from framework.tracking.bulk import Part
from framework.tracking.tracker import Tracker
from launch.push.ends import End
from launch.push.replay import rows as history_rows
from launch.push.versions import collection_of, is_users, number_of

LINES = 20_000
"""Lines that go into one part."""
SYSTEM_SAMPLES = 10_000
CHUNK = 1 << 20
GRID = "grid"


class ApiSource:
    """A project that is read through the API. Keys are places in the order in which things are listed."""

    way = "through the API"
    lacks: Sequence[str] = (
        "the API does not tell the points of sweeps (restored, they hand out nothing), more than a sample of "
        "system metrics, links between collections, and fractions of the seconds at which runs were made",
    )

    def __init__(self, tracker: Tracker, entity: str, project: str) -> None:
        self._end = End(tracker, entity, project)
        self._path = f"{entity}/{project}"
        self._api = wandb.Api(overrides={"base_url": tracker.url, "entity": entity}, api_key=tracker.key)
        self._open: dict[str, Callable[[Path], Path]] = {}

    def about(self, **query: Any) -> dict[str, Any] | None:
        """What the API tells of the project, and how many runs a reading has."""
        found = self._end.runs()
        if found is None:
            return None
        wanted = query.get("sweep")
        count = sum(1 for run in found if not wanted or run.sweep in wanted)
        return {"entity": self._end.entity, "name": self._end.project, "runs": count}

    def parts(self, kind: str, after: int = 0, **query: Any) -> Iterator[Part]:
        """The parts of its `runs`, `sweeps` or `artifacts` after a place.

        Raises:
            TrackerError: the tracker cannot be read.
        """
        tell = {"runs": self._runs, "sweeps": self._sweeps, "artifacts": self._versions}[kind]
        try:
            yield from tell(after, query)
        except (ValueError, wandb.Error) as error:
            raise TrackerError(f"{self._end} cannot be read: {error}") from error
        yield Part("end", {}, b"")

    def file(self, told: Mapping[str, Any]) -> Iterator[bytes]:
        """The bytes of a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = self._open.pop(told["at"])(Path(folder))
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

    # --- sweeps and runs -------------------------------------------------------------------------------------

    def _sweeps(self, after: int, query: Mapping[str, Any]) -> Iterator[Part]:
        found = list(sweeps.listed(self._end.tracker, self._end.entity, self._end.project))[::-1]
        for number, sweep in enumerate(found, 1):
            name = sweep.path.id
            if number <= after or (query.get("sweep") and name not in query["sweep"]):
                continue
            node = self._api.sweep(f"{self._path}/{name}")  # type: ignore[no-untyped-call]
            attributes = node._attrs
            told = {
                "id": name, "definition": sweep.config, "state": _state(sweep.state), "size": -1,
                "method": node.config.get("method", GRID), "display_name": attributes.get("displayName"),
                "description": attributes.get("description"), "created_at": _moment(attributes.get("createdAt")),
                "updated_at": _moment(attributes.get("updatedAt") or attributes.get("createdAt")),
            }  # fmt: skip
            yield Part("sweep", {"key": number, "sweep": name}, json.dumps(told).encode())

    def _runs(self, after: int, query: Mapping[str, Any]) -> Iterator[Part]:
        for number, line in enumerate(self._end.runs(query.get("run")) or [], 1):
            if number <= after or (query.get("sweep") and line.sweep not in query["sweep"]):
                continue
            run = self._api.run(f"{self._path}/{line.id}")
            run.load_full_data()
            files = [self._file_of_run(run.id, file) for file in run.files(per_page=1_000)]
            used = list(run.used_artifacts())
            told = self._run(run, line.sweep) | {"files": files, "used": [self._used(item) for item in used]}
            makers = sorted({name for item in told["used"] for name in item.get("made_by", ())})
            head = {"key": number, "run": run.id, "state": run.state, "files": len(files), "makers": makers}
            yield Part("run", head, json.dumps(told).encode())
            yield from _pieces("history", map(_line, history_rows(run)))
            yield from _pieces("events", map(_line, self._events(run)))
            yield from _pieces("console", (_line(_console(line)) for line in run.console_logs()))

    def _run(self, run: Any, sweep: str | None) -> dict[str, Any]:
        made = filter(is_users, run.logged_artifacts())
        return {
            "id": run.id, "name": run.name, "state": run.state, "sweep": sweep, "started": 1,
            "group": run.group or None, "job_type": run.job_type or None, "notes": run.notes,
            "description": run.description, "tags": list(run.tags), "commit": getattr(run, "commit", None),
            "created_at": _moment(run.created_at), "heartbeat_at": _moment(run.heartbeat_at),
            "config": run.rawconfig, "summary": run.summary_metrics, "system_metrics": run.system_metrics or {},
            "made": [{"artifact": collection_of(item), "version": number_of(item)} for item in made],
        }  # fmt: skip

    def _events(self, run: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = run.history(stream="system", samples=SYSTEM_SAMPLES, pandas=False)
        return found

    def _used(self, item: Any) -> dict[str, Any]:
        told = {"artifact": collection_of(item), "version": number_of(item)}
        home = f"{item.source_entity}/{item.source_project}"
        return told | ({"project": home} if home != self._path else {"made_by": _makers(item)})

    def _file_of_run(self, run_id: str, file: Any) -> dict[str, Any]:
        at = f"{run_id}/{file.name}"

        def fetch(folder: Path) -> Path:
            file.download(str(folder), replace=True).close()
            return folder / str(file.name)

        self._open[at] = fetch
        return {
            "name": file.name, "md5": _hex(file.md5), "size": int(file.size), "sha256": None, "at": at,
            "updated_at": _moment(file.updated_at),
        }  # fmt: skip

    # --- artifacts -------------------------------------------------------------------------------------------

    def _versions(self, after: int, query: Mapping[str, Any]) -> Iterator[Part]:
        for number, item in enumerate(self._items(query.get("run")), 1):
            if number <= after:
                continue
            entries = [self._entry(item, str(path), entry) for path, entry in item.manifest.entries.items()]
            told = self._version(item)
            yield Part("version", {"key": number}, json.dumps(told).encode())
            yield Part("entries", {"rows": len(entries)}, b"".join(_line(entry) + b"\n" for entry in entries))

    def _items(self, runs: list[str] | None) -> Iterator[Any]:
        if runs is None:
            for kind in self._api.artifact_types(self._path):
                for collection in kind.collections() if is_users(_Typed(kind.name)) else ():
                    yield from sorted(collection.artifacts(), key=number_of)
            return
        for name in runs:
            run = self._api.run(f"{self._path}/{name}")
            found = [*run.logged_artifacts(), *run.used_artifacts()]
            yield from (item for item in found if is_users(item) and self._is_here(item))

    def _is_here(self, item: Any) -> bool:
        return f"{item.source_entity}/{item.source_project}" == self._path

    def _version(self, item: Any) -> dict[str, Any]:
        at = f"{item.id}/manifest"
        text = json.dumps(item.manifest.to_manifest_json()).encode()
        self._open[at] = lambda folder: _written(folder / "manifest.json", text)
        created, updated = _moment(item.created_at), _moment(item.updated_at or item.created_at)
        made = {"created_at": created, "updated_at": updated}
        place = {
            "name": collection_of(item), "type": item.type, "portfolio": 0, "tags": [], "description": None,
            "versions_made": 0, "version": number_of(item), "placed_at": created, "aliases": list(item.aliases),
        }  # fmt: skip
        makers = _makers(item)
        return {
            "artifact": collection_of(item), "version": number_of(item), "type": item.type, "digest": item.digest,
            "description": item.description, "metadata": dict(item.metadata), "tags": list(item.tags),
            "ttl": None if item.ttl is None else int(item.ttl.total_seconds()), "commit": item.commit_hash,
            "history_step": item.history_step, "size": item.size, "file_count": item.file_count, **made,
            "run": makers[0] if makers else None, "made_by": makers, "used_by": [run.id for run in item.used_by()],
            "collections": [place | made], "manifest": {"sha256": None, "size": len(text), "at": at},
        }  # fmt: skip

    def _entry(self, item: Any, path: str, entry: Any) -> dict[str, Any]:
        told = {"path": path, "size": entry.size or 0}
        if entry.ref:
            return told | {"md5": None, "reference": str(entry.ref)}
        at = f"{item.id}/{path}"
        self._open[at] = lambda folder: Path(item.get_entry(path).download(root=str(folder), skip_cache=True))
        return told | {"md5": _hex(entry.digest), "sha256": None, "at": at}


class _Typed:
    """As much of an artifact as tells whose it is."""

    def __init__(self, kind: str) -> None:
        self.type = kind


def _makers(item: Any) -> list[str]:
    maker = item.logged_by()
    return [maker.id] if maker is not None else []


def _pieces(kind: str, lines: Iterator[bytes]) -> Iterator[Part]:
    held: list[bytes] = []
    first = 0
    for line in lines:
        held.append(line)
        if len(held) == LINES:
            yield Part(kind, {"first": first, "rows": LINES}, b"\n".join(held) + b"\n")
            first, held = first + LINES, []
    if held:
        yield Part(kind, {"first": first, "rows": len(held)}, b"\n".join(held) + b"\n")


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _console(line: Any) -> str:
    """A line as the client had sent it: its level, its time, its text."""
    moment = "" if line.timestamp is None else line.timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f ")
    return f"{'ERROR ' if line.level == 'error' else ''}{moment}{line.content}"


def _moment(told: Any) -> float:
    """A time of the API in seconds since 1970; 0 where it tells none."""
    if not told:
        return 0.0
    moment = told if isinstance(told, datetime) else datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _hex(digest: str | None) -> str | None:
    """An MD5 in base64 or hexadecimal, in hexadecimal."""
    if digest is None or len(digest) == 32:
        return digest
    try:
        return base64.b64decode(digest, validate=True).hex()
    except binascii.Error:
        return None


def _state(state: str) -> str:
    """A sweep that nobody has worked on yet is one that hands out."""
    return "RUNNING" if state == "PENDING" else state


def _written(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path
