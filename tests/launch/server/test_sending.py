"""What is written for an answer, and when."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from launch.server import sending
from launch.server.sending import Joining

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Wire:
    """A transport that notes each write, and a loop that turns when it is told to."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.later: list[Any] = []
        self.closed = False
        self.call_soon = self.later.append

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"

    def turn(self) -> None:
        due = self.later[:]
        self.later.clear()
        for call in due:
            call()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def joining(wire: Wire) -> Joining:
    return Joining(wire, wire)  # type: ignore[arg-type]


def test_a_head_leaves_with_its_body(wire: Wire, joining: Joining):
    joining.write(HEAD)
    assert wire.writes == []
    joining.write(b"body")
    wire.turn()
    assert wire.writes == [HEAD + b"body"]
    joining.write(HEAD)
    joining.write(b"next")
    assert wire.writes == [HEAD + b"body", HEAD + b"next"]


def test_one_whose_body_is_made_meanwhile_waits_for_nothing(wire: Wire, joining: Joining):
    joining.write(HEAD)
    wire.turn()
    assert wire.writes == [HEAD]
    for piece in (b"piece", b"piece"):
        joining.write(piece)
    assert wire.writes == [HEAD, b"piece", b"piece"]


@pytest.mark.parametrize("body", [HEAD, b"", b"HTTP/1.1 and so on"])
def test_a_body_that_looks_like_a_head_comes_after_it(wire: Wire, joining: Joining, body: bytes):
    joining.write(HEAD)
    joining.write(body)
    assert b"".join(wire.writes) == HEAD + body


def test_nothing_is_kept_at_the_end_of_a_connection(wire: Wire, joining: Joining):
    joining.write(HEAD)
    joining.close()
    assert wire.writes == [HEAD]
    assert wire.closed
    wire.turn()
    assert wire.writes == [HEAD]


def test_everything_else_is_the_transports(joining: Joining):
    assert joining.get_extra_info("socket") == "the socket"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_answers_of_a_real_server(method: str, monkeypatch: pytest.MonkeyPatch):
    """One write each, but where the body is made piece by piece."""
    seen: list[bytes] = []

    class Watched(Joining):
        def __init__(self, transport: Any, loop: Any) -> None:
            super().__init__(SimpleNamespace(write=self.note, **self.rest(transport)), loop)
            self.wire = transport

        def note(self, data: bytes) -> None:
            seen.append(data)
            self.wire.write(data)

        def rest(self, transport: Any) -> dict[str, Any]:
            return {
                name: getattr(transport, name) for name in dir(transport) if name[0] != "_" and name != "write"
            }

    async def answer(request: Request) -> Response:
        if request.method == "POST":
            return StreamingResponse(pieces())
        return Response(b"body")

    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.05)
        yield b"body"

    monkeypatch.setattr(sending, "Joining", Watched)
    app = Starlette(routes=[Route("/", answer, methods=["GET", "HEAD", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, http=sending.Protocol, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            reply = requests.request(method, address, timeout=10)
        finally:
            server.should_exit = True
            thread.join(10)
    assert reply.content == (b"" if method == "HEAD" else b"body")
    assert (len(seen) == 1) is (method != "POST")
