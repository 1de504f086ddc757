"""Makes an archive of a project or a sweep: in which order what goes in, and how it goes on where it was.

Sweeps, runs with all their rows, then artifacts. Of a sweep: its runs, and those that made what they used, and so
on. Bytes go in once for each digest. Knows neither how a tracker is read nor how the file is written.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from framework.errors import TrackerError
from framework.tracking.bulk import Part
from framework.tracking.states import UNDER_WAY
from launch.archive.layout import BLOBS
from launch.archive.source import Source, units
from launch.archive.writer import Writer

STREAMS = ("history", "events", "console")
BATCH = 50
"""Runs whose artifacts are asked for at once."""
CHUNK = 1 << 20
READABLE = " +=,@()[]"


@dataclass
class Done:
    """How far the making is: what was begun last, and what is in."""

    step: str = "sweeps"
    after: int = 0
    wanted: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("sweeps", "runs", "rows", "artifacts", "files", "running"), 0)
    )


class Making:
    """One archive while it is made. `told`: is called with the number of runs that are in."""

    def __init__(self, source: Source, writer: Writer, sweeps: Sequence[str]) -> None:
        """`sweeps`: only these; none: the whole project."""
        self._source = source
        self._writer = writer
        self._query: dict[str, Any] = {"sweep": list(sweeps)} if sweeps else {}
        self.done = Done(**writer.at) if writer.at else Done()
        self._runs = {name.split("/")[1]: None for name in writer.names("runs/") if name.endswith("/run.json")}
        self._versions = set(writer.names("artifacts/"))

    def make(self) -> Iterator[int]:
        """Put everything in; the number of runs after each.

        Raises:
            TrackerError: the tracker does not answer, or has lost a file.
            ArchiveError: the disk is full.
        """
        if self.done.step == "sweeps":
            self._project()
            self._sweeps()
            self._next("runs")
        if self.done.step == "runs":
            yield from self._some_runs(self._query)
            self._next("required" if self._query else "artifacts")
        if self.done.step == "required":
            while wanted := [name for name in self.done.wanted if safe(name) not in self._runs][:BATCH]:
                before = len(self._runs)
                yield from self._some_runs({"run": wanted}, again=True)
                if len(self._runs) == before:
                    break  # they were deleted
            self._next("artifacts")
        if self.done.step == "artifacts":
            self._artifacts()
            self._next("done")

    def state(self) -> dict[str, Any]:
        """How far it is, for the writer to keep."""
        return asdict(self.done)

    def _next(self, step: str) -> None:
        self.done.step, self.done.after = step, 0
        self._reached()

    def _reached(self) -> None:
        self._writer.reached(self.state)

    def _project(self) -> None:
        about = self._source.about() or {}
        told = {key: about.get(key) for key in ("entity", "name", "description", "created_at", "runs_made")}
        self._writer.add("project.json", json.dumps(told, indent=1).encode())

    def _sweeps(self) -> None:
        for sweep, *parts in units(self._source.parts("sweeps", self.done.after, **self._query)):
            folder = f"sweeps/{safe(sweep.head['sweep'])}"
            self._writer.add(f"{folder}/sweep.json", sweep.body)
            for number, part in enumerate(parts, 1):
                self._writer.add(f"{folder}/points-{number}.jsonl", part.body)
            self.done.counts["sweeps"] += 1
            self.done.after = sweep.head["key"]
            self._reached()

    # --- runs ------------------------------------------------------------------------------------------------

    def _some_runs(self, query: Mapping[str, Any], *, again: bool = False) -> Iterator[int]:
        """Runs as they come: what has come of one is in, though it is told again after a break."""
        run: _Run | None = None
        for part in self._source.parts("runs", 0 if again else self.done.after, **query):
            if part.kind in STREAMS and run is not None:
                self._lines(run, part)
                continue
            if run is not None and run.key != part.head.get("key"):
                self._end_run(run, again=again)
                yield len(self._runs)
                run = None
            if part.kind == "run" and run is None:
                run = self._begin_run(part)

    def _begin_run(self, part: Part) -> "_Run":
        folder = f"runs/{safe(part.head['run'])}"
        files, body = [], part.body
        if part.head["files"]:
            told = json.loads(body)
            files = told["files"]
            if not all(file["sha256"] for file in files):
                self._blobs(files)
                body = json.dumps(told).encode()
        self._writer.add(f"{folder}/run.json", body)
        self.done.counts["running"] += part.head["state"] in UNDER_WAY
        self.done.wanted += [name for name in part.head["makers"] if name not in self.done.wanted]
        return _Run(part.head["key"], folder, part.head["run"], files)

    def _lines(self, run: "_Run", part: Part) -> None:
        """Lines of a stream; those that are in already (they came before a break) are left out."""
        numbers = part.head.get("lines") or range(part.head["first"], part.head["first"] + part.head["rows"])
        last = run.last.get(part.kind)
        body, rows = part.body, len(numbers)
        if last is not None and numbers[0] <= last:
            skip = sum(number <= last for number in numbers)
            body, rows = b"".join(body.splitlines(keepends=True)[skip:]), rows - skip
        if not rows:
            return
        run.last[part.kind] = numbers[-1]
        run.pieces[part.kind] = run.pieces.get(part.kind, 0) + 1
        name = f"{run.folder}/{part.kind}-{run.pieces[part.kind]}"
        self._writer.add(f"{name}.jsonl", body)
        if numbers[-rows] != (0 if last is None else last + 1) or "lines" in part.head:
            self._writer.add(f"{name}.lines.json", json.dumps(list(numbers)[-rows:]).encode())
        self.done.counts["rows"] += rows if part.kind == STREAMS[0] else 0

    def _end_run(self, run: "_Run", *, again: bool) -> None:
        self._blobs(run.files)
        self._runs[safe(run.name)] = None
        self.done.counts["runs"] += 1
        self.done.counts["files"] += len(run.files)
        if not again:
            self.done.after = run.key
        self._reached()

    # --- artifacts and bytes ---------------------------------------------------------------------------------

    def _artifacts(self) -> None:
        if not self._query:
            self._some_versions({}, self.done.after)
            return
        names = [unquote(name) for name in self._runs]
        for start in range(0, len(names), BATCH):
            self._some_versions({"run": names[start : start + BATCH]}, 0)

    def _some_versions(self, query: Mapping[str, Any], after: int) -> None:
        for version, *parts in units(self._source.parts("artifacts", after, **query)):
            told = json.loads(version.body)
            name = f"artifacts/{safe(told['artifact'])}/v{told['version']}.json"
            if name in self._versions:
                continue
            files = [json.loads(line) for part in parts for line in part.body.splitlines()]
            manifest = [told["manifest"]] if told["manifest"] else []
            self._blobs([file for file in files if "reference" not in file] + manifest)
            self._writer.add(name, json.dumps({**told, "files": files}).encode())
            self._versions.add(name)
            self.done.counts["artifacts"] += 1
            self.done.counts["files"] += len(files)
            if not query:
                self.done.after = version.head["key"]
            self._reached()

    def _blobs(self, files: list[dict[str, Any]]) -> None:
        """Put the bytes of files in that are not in yet.

        Raises:
            TrackerError: the tracker has other bytes than it tells.
        """
        for file in files:
            digest = file["sha256"]
            if digest is None or file["size"] is None:
                self._unnamed(file)
            elif not self._writer.has_blob(digest):
                found = self._writer.add_stream(BLOBS + digest, file["size"], self._source.file(file))
                if found != digest:
                    raise TrackerError(f"{_called(file)} is damaged at the tracker: its SHA-256 is not {digest}")

    def _unnamed(self, file: dict[str, Any]) -> None:
        """A file whose digest is not known before its bytes are here: by way of the disk, one at a time."""
        digest, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with tempfile.TemporaryFile() as held:
            for chunk in self._source.file(file):
                digest.update(chunk)
                md5.update(chunk)
                size += len(chunk)
                held.write(chunk)
            if file.get("md5") not in (None, md5.hexdigest()):
                raise TrackerError(f"{_called(file)} is damaged at the tracker: its MD5 is not {file['md5']}")
            file["sha256"], file["size"] = digest.hexdigest(), size
            held.seek(0)
            if not self._writer.has_blob(digest.hexdigest()):
                self._writer.add_stream(BLOBS + digest.hexdigest(), size, iter(lambda: held.read(CHUNK), b""))


@dataclass
class _Run:
    """A run that is coming: its files, the last line of each stream that is in, and in how many pieces."""

    key: int
    folder: str
    name: str
    files: list[dict[str, Any]]
    last: dict[str, int] = field(default_factory=dict)
    pieces: dict[str, int] = field(default_factory=dict)


def safe(name: str) -> str:
    """A name as one part of a path."""
    return name.replace(".", "%2E") if name in (".", "..") else quote(name, safe=READABLE)


def _called(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or file.get("path") or file.get("at"))
