"""Whole runs, sweeps and versions of a project at once, from a tracker that sends them so (Sashiko's own server).

A part is a line of JSON and as many bytes as it tells; which parts there are says `docs/wandb-server.md`. A
reading that breaks off goes on after the last run, sweep or version that came whole. Knows no server's code.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import orjson
import requests
from urllib3.exceptions import HTTPError

from framework.errors import TrackerAway, TrackerError, TrackerRefused
from framework.tracking.tracker import LOCAL, REFUSED, Tracker, connection, patiently, reason

VERSION = 1
"""The form that this version reads and writes."""
TIMEOUT_S = 120.0
BUFFER = 1 << 20
TRIES = 5
Query = Mapping[str, Any]


class Part(NamedTuple):
    """One part: its kind, what its line tells, its bytes."""

    kind: str
    head: dict[str, Any]
    body: bytes


class Broken(Exception):
    """An answer that ended before its end."""


@dataclass(frozen=True)
class Bulk:
    """A project of a tracker that sends in bulk."""

    tracker: Tracker
    entity: str
    project: str

    @property
    def home(self) -> str:
        """The address of the project."""
        return f"/bulk/{quote(self.entity, safe='')}/{quote(self.project, safe='')}"

    def about(self, **query: Any) -> dict[str, Any] | None:
        """What the project is, and how many runs a reading with the same `query` has; None where there is none.

        Raises:
            TrackerError: the tracker does not answer, or refuses.
        """
        response = self.request("GET", f"{self.home}/project", query)
        if response.status_code == requests.codes.not_found:
            return None
        _must_be_good(response, self.tracker)
        found: dict[str, Any] = response.json()
        return found

    def units(self, kind: str, after: int = 0, **query: Any) -> Iterator[list[Part]]:
        """The `runs`, `sweeps` or `artifacts` after a key, each as its parts; the first part tells its `key`.

        `query`: `sweep`, `run` (a list of names), `since` (seconds since 1970), `streams` (some of
        `history,events,console`).

        A unit is held whole in memory: `parts` does not.

        Raises:
            TrackerError: as `parts`.
        """
        unit: list[Part] = []
        for part in self.parts(kind, after, **query):
            if "key" in part.head or part.kind == "end":
                if unit and unit[0].head["key"] != part.head.get("key"):
                    yield unit
                unit = []
            unit.append(part)

    def parts(self, kind: str, after: int = 0, **query: Any) -> Iterator[Part]:
        """As `units`, part by part, and at the end one of the kind `end`. Broken off, it begins again.

        What was told of a unit that had not ended is told again then, from its first part.

        Raises:
            TrackerError: the tracker refuses, does not answer, or breaks off again and again.
        """
        key, whole, tries = after, after, 0
        while True:
            try:
                for part in self._answer(kind, whole, query):
                    if part.head.get("key", key) != key:
                        whole, key, tries = key, part.head["key"], 0
                    yield part
            except Broken as error:
                tries += 1
                if tries >= TRIES:
                    raise TrackerAway(f"{self.tracker.url} breaks off again and again: {error}") from error
            else:
                return

    def _answer(self, kind: str, after: int, query: Query) -> Iterator[Part]:
        response = self.request("GET", f"{self.home}/{kind}", {**query, "after": after}, stream=True)
        with response:
            _must_be_good(response, self.tracker)
            response.raw.auto_close = False  # else it closes itself under the buffer at its end
            yield from _parts(io.BufferedReader(response.raw, BUFFER))

    def file(self, path: str, size: int) -> Iterator[bytes]:
        """The bytes of a file at the address that a part tells, `size` of them.

        Raises:
            TrackerError: it is not there, has other than `size` bytes, or the tracker does not answer.
        """
        have, tries = 0, 0
        while True:
            response = self.request("GET", quote(path), {}, stream=True)
            with response:
                _must_be_good(response, self.tracker)
                passed = 0
                try:
                    while chunk := response.raw.read(BUFFER):
                        new = chunk[max(have - passed, 0) :]
                        passed += len(chunk)
                        if new:
                            have += len(new)
                            yield new
                except (HTTPError, OSError) as error:
                    tries += 1
                    if tries >= TRIES:
                        raise TrackerAway(f"{self.tracker.url}{path} breaks off: {error}") from error
                    continue
            if have != size:
                raise TrackerError(f"{self.tracker.url}{path} has {have:,} bytes, and {size:,} were told")
            return

    def put(self, chunks: Iterable[bytes], size: int) -> dict[str, Any]:
        """Send the bytes of a file; their digests, and the `proof` with which things may name them.

        Raises:
            TrackerError: the tracker does not take them, or does not answer.
        """
        response = self.request("PUT", f"{self.home}/blob", {}, _Sized(chunks, size))
        _must_be_good(response, self.tracker)
        told: dict[str, Any] = response.json()
        return told

    def restore(self, parts: Sequence[bytes]) -> list[dict[str, str]]:
        """Send things as `pack` packs them; what became of each: its `kind`, `name`, `verdict` and `why`.

        Raises:
            TrackerError: the tracker does not take them, or does not answer.
        """
        response = self.request("POST", f"{self.home}/restore", {}, b"".join(parts))
        _must_be_good(response, self.tracker)
        results: list[dict[str, str]] = response.json()["results"]
        return results

    def request(
        self,
        method: str,
        path: str,
        query: Query,
        data: Iterable[bytes] | bytes | None = None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        """One request, repeated while the tracker is away or busy; `data` that is a stream is sent once.

        Raises:
            TrackerAway: it does not answer within its patience.
        """

        def attempt() -> requests.Response:
            return connection(os.getpid(), self.tracker.url.startswith(LOCAL)).request(
                method, self.tracker.url + path, params=dict(query), data=data, auth=("api", self.tracker.key),
                stream=stream, timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"},
            )  # fmt: skip

        if data is None or isinstance(data, bytes):
            return patiently(attempt, self.tracker.patience_s, self.tracker.url, self.tracker.say)
        try:
            return attempt()
        except requests.RequestException as error:
            raise TrackerAway(
                f"the tracker {self.tracker.url} does not answer ({type(error).__name__})"
            ) from error


class _Sized:
    """Bytes that come in pieces, of a length that is known: they are not sent as chunks."""

    def __init__(self, chunks: Iterable[bytes], size: int) -> None:
        self._chunks = chunks
        self.len = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def offered(tracker: Tracker) -> bool:
    """Whether a tracker sends in bulk, in the form that this version reads.

    Raises:
        TrackerRefused: it does not know the key.
        TrackerAway: it does not answer.
    """
    return offer(tracker) is not None


def offer(tracker: Tracker) -> dict[str, Any] | None:
    """What a tracker tells of itself that sends in bulk: its `id`, which stays when its address does not.

    Raises:
        TrackerRefused: it does not know the key.
        TrackerAway: it does not answer.
    """
    try:
        response = Bulk(tracker, "", "").request("GET", "/bulk", {})
    except TrackerAway:
        tracker.check()  # a server that answers this address with "try again" is away only if it does so elsewhere
        return None
    if response.status_code in REFUSED:
        tracker.check()
        return None
    try:
        told = response.json() if response.ok else {}
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("bulk") == VERSION else None


def pack(kind: str, body: bytes, **head: Any) -> bytes:
    """A part as it is sent."""
    line = json.dumps({"part": kind, "bytes": len(body), **head}, separators=(",", ":"))
    return line.encode() + b"\n" + body


def _parts(file: BinaryIO | io.BufferedReader) -> Iterator[Part]:
    """The parts of an answer.

    Raises:
        Broken: it has ended without its last one.
    """
    kind = ""
    try:
        while kind != "end":
            head = orjson.loads(file.readline() or b"{}")
            kind, size = head.get("part", ""), head.get("bytes", -1)
            body = file.read(size) if size > 0 else b""
            if not kind or len(body) != size:
                raise Broken("the answer ended before its end")
            yield Part(kind, head, body)
    except (HTTPError, OSError, ValueError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


def _must_be_good(response: requests.Response, tracker: Tracker) -> None:
    if response.ok:
        return
    kind = TrackerRefused if response.status_code in REFUSED else TrackerError
    raise kind(f"{tracker.url} answered {response.status_code}: {reason(response)}")
