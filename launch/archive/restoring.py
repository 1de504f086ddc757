"""`sashiko restore`: an archive put into a server that takes in bulk, with ids, times and states as they were.

Bytes go first, then what names them: sweeps, runs, artifacts, and at last the points and states of sweeps. What is
there already is left as it is, so the same command goes on where it was. Checks the archive before anything.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from framework.errors import ConfigError, Problem, TrackerError
from framework.fields import nearest
from framework.tracking.bulk import Bulk, offered, pack
from framework.tracking.tracker import Tracker
from launch.archive.archiving import must_be_whole
from launch.archive.errors import ArchiveError
from launch.archive.layout import BLOBS
from launch.archive.making import STREAMS, safe
from launch.archive.reader import Archive
from launch.progress import runs_bar

BATCH = 8 << 20
"""Bytes of parts that are sent together."""
SHOWN = 20
DIFFERS, STORED = "differs", "stored"


@dataclass
class Restored:
    """What became of an archive: how many of each kind were stored or there already, and what differs."""

    file: str
    to: str
    stored: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)
    differs: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wish:
    """What of an archive is restored: only these runs, only this sweep; under which name (empty: its own)."""

    name: str = ""
    only: Sequence[str] = ()
    sweep: str = ""


def restore(tracker: Tracker, path: Path, wish: Wish, console: Console) -> Restored:
    """Put an archive, or a part of it, into a server.

    Raises:
        NoArchive: the file is none.
        Damaged: it has other bytes than were written; nothing is restored.
        ConfigError: a run or the sweep is not in it, or the name is none.
        ArchiveError: the server takes nothing in bulk.
        TrackerError: the server does not answer, or refuses.
    """
    archive = must_be_whole(path)
    if not offered(tracker):
        raise ArchiveError(
            f"{tracker.url} takes no archives: restore it into an embedded server "
            f"(sashiko restore {path} --embedded), then send the project on: "
            f"sashiko push PROJECT --to {tracker.url}"
        )
    entity, project = _home(tracker, archive, wish.name)
    restoring = _Restoring(archive, Bulk(tracker, entity, project), wish)
    return restoring.all(Restored(str(path), f"{tracker.url}/{entity}/{project}"), console)


def _home(tracker: Tracker, archive: Archive, name: str) -> tuple[str, str]:
    words = (name or archive.head()["project"].split("/", 1)[1]).split("/")
    if len(words) > 2 or not all(words):
        raise ConfigError([Problem("--as", f"is {name!r}; write [ENTITY/]PROJECT")], "restore")
    return (words[0] if len(words) == 2 else tracker.check()), words[-1]


class _Restoring:
    """One archive on its way into one project."""

    def __init__(self, archive: Archive, bulk: Bulk, wish: Wish) -> None:
        self._archive = archive
        self._bulk = bulk
        self._proofs: dict[str, list[str]] = {}
        self._folders = _folders(archive)
        self._sweeps = [
            name for name in archive.members if name.startswith("sweeps/") and name.endswith("sweep.json")
        ]
        self._runs = list(self._chosen(wish))
        self._part = bool(wish.only or wish.sweep)

    def _chosen(self, wish: Wish) -> Iterator[str]:
        """The folders of the runs that are meant."""
        runs = [name for name in self._folders if name.startswith("runs/")]
        ids = {name: name.removeprefix("runs/") for name in runs}
        sweeps = [name.split("/")[1] for name in self._sweeps]
        problems = [
            Problem("--only", f"the archive has no run {name!r}; {nearest(name, list(ids.values()))}")
            for name in wish.only
            if f"runs/{safe(name)}" not in ids
        ]
        if wish.sweep and safe(wish.sweep) not in sweeps:
            problems.append(
                Problem("--sweep", f"the archive has no sweep {wish.sweep!r}; {nearest(wish.sweep, sweeps)}")
            )
        if problems:
            raise ConfigError(problems, "restore")
        wanted = {f"runs/{safe(name)}" for name in wish.only}
        for name in runs:
            if wanted and name not in wanted:
                continue
            if not wish.sweep or self._json(f"{name}/run.json").get("sweep") == wish.sweep:
                yield name

    def _json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._archive.read(name))
        return found

    def all(self, done: Restored, console: Console) -> Restored:
        """Restore it; what became of it."""
        sweeps = self._wanted_sweeps()
        self._take(done, [[pack("project", self._archive.read("project.json"))]])
        self._take(done, ([pack("sweep", self._archive.read(name))] for name in sweeps))
        with runs_bar(console) as progress:
            bar = progress.add_task("runs", total=len(self._runs), note=done.to)
            for count in self._send(done, map(self._run, self._runs)):
                progress.update(bar, advance=count)
        self._take(done, self._versions())
        self._take(done, map(self._settled, sweeps), count=False)
        return done

    def _wanted_sweeps(self) -> list[str]:
        if not self._part:
            return self._sweeps
        wanted = {self._json(f"{name}/run.json").get("sweep") for name in self._runs}
        return [name for name in self._sweeps if self._json(name)["id"] in wanted]

    def _run(self, folder: str) -> list[bytes]:
        body = self._archive.read(f"{folder}/run.json")
        files = json.loads(body).get("files") or []
        parts = [pack("run", body, proofs=self._proven(files))]
        for kind in STREAMS:
            line = 0
            for name in self._folders[folder].get(kind, ()):
                text = self._archive.read(name)
                numbers = name.replace(".jsonl", ".lines.json")
                rows = text.count(b"\n")
                more = (
                    {"lines": json.loads(self._archive.read(numbers))} if numbers in self._archive.members else {}
                )
                parts.append(pack(kind, text, rows=rows, first=line, **more))
                line = more["lines"][-1] + 1 if more else line + rows
        return parts

    def _settled(self, name: str) -> list[bytes]:
        pieces = self._folders[name.removesuffix("/sweep.json")].get("points", ())
        return [pack("settle", self._archive.read(name)), *(pack("points", self._archive.read(p)) for p in pieces)]

    def _versions(self) -> Iterator[list[bytes]]:
        """The artifacts; of some runs those that they made or used."""
        runs = {name.removeprefix("runs/") for name in self._runs}
        for name in self._archive.members:
            if not name.startswith("artifacts/"):
                continue
            told = self._json(name)
            of = {safe(run) for run in [*told["made_by"], *told["used_by"]]}
            if self._part and not of & runs:
                continue
            files = told.pop("files")
            manifest = [told["manifest"]] if told["manifest"] else []
            kept = [file for file in files if "reference" not in file] + manifest
            lines = b"".join(json.dumps(file).encode() + b"\n" for file in files)
            head = pack("version", json.dumps(told).encode(), proofs=self._proven(kept))
            yield [head, pack("entries", lines, rows=len(files))]

    def _proven(self, files: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
        """The proofs for files, whose bytes are sent if they were not yet."""
        for file in files:
            digest = file["sha256"]
            if digest not in self._proofs:
                member = self._archive.members.get(BLOBS + digest)
                if member is None:
                    raise ArchiveError(
                        f"{self._archive.path} has no bytes for {file.get('name') or file.get('path')}"
                    )
                told = self._bulk.put(self._archive.chunks(member.path), member.size)
                if told["sha256"] != digest:
                    raise TrackerError(f"{self._bulk.tracker.url} has got other bytes of {digest} than were sent")
                self._proofs[digest] = [told["md5"], told["proof"]]
        return {file["sha256"]: self._proofs[file["sha256"]] for file in files}

    def _take(self, done: Restored, units: Any, *, count: bool = True) -> None:
        for _ in self._send(done, units, count=count):
            pass

    def _send(self, done: Restored, units: Iterator[list[bytes]], *, count: bool = True) -> Iterator[int]:
        """Send things, several together; how many there were each time."""
        for batch in _batches(units):
            results = self._bulk.restore(batch)
            for result in results if count else ():
                self._note(done, result)
            yield len(results)

    def _note(self, done: Restored, result: Mapping[str, str]) -> None:
        if result["verdict"] == DIFFERS:
            done.differs.append({key: result[key] for key in ("kind", "name", "why")})
            return
        counts = done.stored if result["verdict"] == STORED else done.there
        counts[result["kind"]] = counts.get(result["kind"], 0) + 1


def _folders(archive: Archive) -> dict[str, dict[str, list[str]]]:
    """The pieces of each run and sweep, by what they are of, in their order."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in archive.members:
        parts = name.split("/")
        if parts[0] not in ("runs", "sweeps") or len(parts) != 3:
            continue
        kinds = found.setdefault("/".join(parts[:2]), {})
        if name.endswith(".jsonl"):
            kinds.setdefault(parts[2].rsplit("-", 1)[0], []).append(name)
    for kinds in found.values():
        for names in kinds.values():
            names.sort(key=lambda name: int(name.rsplit("-", 1)[1].removesuffix(".jsonl")))
    return found


def _batches(units: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for unit in units:
        more = sum(map(len, unit))
        if batch and size + more > BATCH:
            yield batch
            batch, size = [], 0
        batch += unit
        size += more
    if batch:
        yield batch


def show(done: Restored) -> None:
    """Tell what became of it."""
    for kind in ("sweep", "run", "artifact"):
        here = done.there.get(kind, 0)
        differ = sum(item["kind"] == kind for item in done.differs)
        typer.echo(
            f"{kind + 's':<10} {done.stored.get(kind, 0):,} restored, {here:,} there already, {differ:,} refused"
        )
    for item in done.differs[:SHOWN]:
        typer.echo(
            f"refused    {item['kind']} {item['name']}: another one is there, which differs in {item['why']}"
        )
    if len(done.differs) > SHOWN:
        typer.echo(f"           and {len(done.differs) - SHOWN:,} more")
    typer.echo(f"to         {done.to}")
