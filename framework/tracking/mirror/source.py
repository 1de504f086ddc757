"""What a mirror needs of a tracker, and the bulk path of Sashiko's own server, which tells it in few answers."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from framework.errors import ArtifactError
from framework.tracking.bulk import Bulk, Part
from framework.tracking.mirror.store import Stamp

NAMES = 100
"""Runs that one address names."""
CLIENTS = ".table.json"


class Rows(NamedTuple):
    """The history of a run: so many rows, JSON objects a line."""

    run: str
    number: int
    body: bytes


class File(NamedTuple):
    """The file of a table that a run logged: its bytes, where they were asked for, and whether it stands apart."""

    run: str
    table: str
    body: bytes | None
    is_parquet: bool = True
    apart: bool = False


class Source(Protocol):
    """A project of a tracker. `names` None: all runs (of the sweeps, where some are given).

    All raise TrackerError where the tracker does not answer, or refuses.
    """

    def stamps(self, sweeps: Collection[str] | None) -> list[Stamp] | None:
        """The runs as they are now, in the order of their making; None where there is no such project."""

    def told(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[tuple[str, bytes]]:
        """What the tracker tells of runs, by name: JSON in the form of the bulk path."""

    def histories(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[Rows]:
        """The rows of runs, whole."""

    def tables(
        self, names: Sequence[str] | None, sweeps: Collection[str] | None, only: str | None
    ) -> Iterator[list[File]]:
        """The tables of runs, those of one run at a time, as files whose bytes match their digests.

        The bytes are those of the table `only`, or none; where all come at once, they may be those of all.
        """


class BulkSource:
    """A project of a server that sends in bulk."""

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    def stamps(self, sweeps: Collection[str] | None) -> list[Stamp] | None:
        """See `Source`."""
        if self._bulk.about() is None:
            return None
        found = []
        for part in self._bulk.parts("index", **_of(sweeps)):
            for line in part.body.splitlines():
                key, name, sweep, stamp = json.loads(line)
                found.append(Stamp(name, key, sweep, stamp))
        return found

    def told(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[tuple[str, bytes]]:
        """See `Source`."""
        for unit in self._units("runs", names, sweeps, streams=""):
            yield unit[0].head["run"], unit[0].body

    def histories(self, names: Sequence[str] | None, sweeps: Collection[str] | None) -> Iterator[Rows]:
        """See `Source`."""
        for unit in self._units("runs", names, sweeps, streams="history"):
            rows = unit[1:]
            yield Rows(
                unit[0].head["run"], sum(part.head["rows"] for part in rows), b"".join(part.body for part in rows)
            )

    def tables(
        self, names: Sequence[str] | None, sweeps: Collection[str] | None, only: str | None
    ) -> Iterator[list[File]]:
        """See `Source`."""
        for unit in self._units("tables", names, sweeps, only=only or ""):
            run = unit[0].head["run"]
            found = {part.head["table"]: self._file(run, part, only) for part in unit if part.kind == "file"}
            apart = [name for part in unit if part.kind == "version" for name in part.head["apart"]]
            yield [*found.values(), *(File(run, name, None, apart=True) for name in apart if name not in found)]

    def _file(self, run: str, part: Part, only: str | None) -> File:
        body = part.body
        if part.head["table"] != only:
            return File(run, part.head["table"], None)
        if "at" in part.head:
            body = b"".join(self._bulk.file(part.head["at"], part.head["size"]))
        if hashlib.md5(body, usedforsecurity=False).hexdigest() != part.head["md5"]:
            raise ArtifactError(
                f"the table {part.head['table']} of run {run} does not match its digest; look with: sashiko doctor"
            )
        return File(run, part.head["table"], body, not part.head["path"].endswith(CLIENTS))

    def _units(
        self, kind: str, names: Sequence[str] | None, sweeps: Collection[str] | None, **query: Any
    ) -> Iterator[list[Part]]:
        if names is None:
            yield from self._bulk.units(kind, **query, **_of(sweeps))
            return
        for start in range(0, len(names), NAMES):
            yield from self._bulk.units(kind, **query, run=list(names[start : start + NAMES]))


def _of(sweeps: Collection[str] | None) -> dict[str, Any]:
    return {} if sweeps is None else {"sweep": sorted(sweeps)}
