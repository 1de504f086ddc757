"""Lines of runs, taken in together: what came while one transaction was written goes into the next one.

Many clients write at once. With a thread and a transaction for each, the threads would mostly wait for each other
(for the interpreter's lock, and for their turn at the database). Here whoever is first in line takes along what
waits, and the others find their work done. Nobody gets an answer before the transaction is stored, and a payload
that is refused takes nothing else along. What a payload means is decided in `filestream`.
"""

import gzip
import io
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import anyio

from launch.server import filestream
from launch.server.auth import Caller
from launch.server.errors import UNAVAILABLE, ApiError, TooLarge
from launch.server.limits import KIB, MAX_STREAM_BODY, MIB
from launch.server.request import Request, Services
from launch.server.storage import Tables
from launch.server.threads import Threads
from launch.server.wire import json_object, quick_json

MOST_TOGETHER = 32
MOST_BYTES = 4 * MIB
"""Of one transaction: nobody else writes meanwhile."""
SMALL = 256 * KIB
"""A larger body is read before it stands in line."""


@dataclass(eq=False)
class Sent:
    """One payload, as it came: who sent it, for which run (entity, project, name), in whose numbering."""

    caller: Caller
    run: tuple[str, str, str]
    body: bytes
    gzipped: bool = False
    writer: str | None = None
    payload: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    error: Exception | None = None

    def read(self) -> None:
        """Make the payload of the body, or note what is wrong with it."""
        try:
            body = unzipped(self.body, MAX_STREAM_BODY) if self.gzipped else self.body
            self.payload = json_object(quick_json(body), "a file_stream payload") if body.strip() else {}
        except ApiError as error:
            self.error = error


class Intake:
    """The line in front of the database."""

    def __init__(self, services: Services, threads: Threads) -> None:
        self._services = services
        self._threads = threads
        self._waiting: list[Sent] = []
        self._turn = anyio.Lock()

    async def take(self, sent: Sent) -> dict[str, Any]:
        """Store a payload, with those that wait beside it; the reply.

        Raises:
            ApiError: it was refused (see `filestream.receive`), is a gzip bomb or no JSON object.
        """
        if sent.gzipped or len(sent.body) > SMALL:
            await self._threads.for_rows(sent.read)
        self._waiting.append(sent)
        async with self._turn:
            while sent in self._waiting:
                await self._threads.for_rows(self._store, self._next())
        if sent.error is not None:
            raise sent.error
        if sent.answer is None:  # whoever took it along was cancelled before it began
            raise ApiError("these lines were not stored; send them again", UNAVAILABLE)
        return sent.answer

    def _next(self) -> list[Sent]:
        """Those at the head of the line, as many as one transaction may take; they leave the line."""
        sizes = accumulate(len(sent.body) for sent in self._waiting[:MOST_TOGETHER])
        count = max(1, sum(size <= MOST_BYTES for size in sizes))
        together, self._waiting = self._waiting[:count], self._waiting[count:]
        return together

    def _store(self, together: list[Sent]) -> None:
        """Store what is in order, in one transaction. If that fails as a whole, so has everything in it."""
        for sent in together:
            if sent.payload is None and sent.error is None:
                sent.read()
        good = [sent for sent in together if sent.error is None]
        try:
            refusals = self._services.store.write_each([partial(self._receive, sent) for sent in good])
        except Exception as error:
            refusals = [error] * len(good)
        for sent, refusal in zip(good, refusals, strict=True):
            sent.error = refusal

    def _receive(self, sent: Sent, tables: Tables) -> None:
        request = Request(self._services, "", writes=True, caller=sent.caller, tables=tables)
        sent.answer = filestream.receive(request, sent.run, sent.payload or {}, sent.writer)


def unzipped(body: bytes, limit: int) -> bytes:
    """Undo gzip without trusting what it claims about its size.

    Raises:
        TooLarge: it holds more than `limit` bytes.
        ApiError: it is not gzip.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            text = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ApiError(f"not gzip: {error}") from error
    if len(text) > limit:
        raise TooLarge("the request", limit)
    return text
