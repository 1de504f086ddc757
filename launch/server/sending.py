"""The head of an answer leaves with its body, in one write.

A server that dies between the two leaves a client with half an answer, which the wandb client takes for the last
word on a run that it begins: it asks again where nothing came, or not even a whole head, and nowhere else.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BEGIN, END = b"HTTP/1.1 ", b"\r\n\r\n"


class Joining:
    """A transport that keeps the head of an answer until its body comes, or until the loop turns.

    So what has no body, or one that is made meanwhile, waits for nothing.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, after the head that is kept."""
        if not self._head and data.startswith(BEGIN) and data.endswith(END):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        head, self._head = self._head, b""
        self._transport.write(head + data if head else data)

    def close(self) -> None:
        """Close, when all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self.write(b"")


class Protocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with whole answers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(Joining(transport, self.loop))  # type: ignore[arg-type]
