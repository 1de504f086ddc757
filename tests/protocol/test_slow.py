"""Clients that send a byte a second, two hundred at once: the others go on."""

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.protocol.conftest import Server

CLIENTS, SECONDS = 200, 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "state").start()
    yield started
    started.end()


def beginnings(server: Server, key: str) -> list[bytes]:
    """What a slow client begins with: half a head, a query, rows, a page."""
    host = server.info.url.removeprefix("http://")
    auth = f"Host: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return [
        f"POST /graphql HTTP/1.1\r\n{auth}X-Slow: ".encode(),
        f"POST /graphql HTTP/1.1\r\n{auth}Content-Length: 4000\r\n\r\n".encode(),
        f"POST /files/local/p/r/file_stream HTTP/1.1\r\n{auth}Content-Length: 4000\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Slow: ".encode(),
    ]


def asked(server: Server, key: str) -> float:
    """How long a query takes."""
    body = json.dumps({"query": "{ viewer { id } }"}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    start = time.monotonic()
    request = urllib.request.Request(f"{server.info.url}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert "viewer" in json.loads(reply.read())["data"]
    return time.monotonic() - start


def test_slow_clients_keep_nobody_waiting(server: Server) -> None:
    key = (server.directory / "api_key").read_text().strip()
    host, port = server.info.url.removeprefix("http://").split(":")
    texts = beginnings(server, key)
    with ExitStack() as stack:
        opened = (socket.create_connection((host, int(port)), timeout=10) for _ in range(CLIENTS))
        slow = [stack.enter_context(connection) for connection in opened]
        for number, connection in enumerate(slow):
            connection.sendall(texts[number % len(texts)])
        answered = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for connection in slow:
                connection.send(b"x")
            second = time.monotonic() + 1
            while time.monotonic() < second:
                asked(server, key)
                answered += 1
        assert answered > SECONDS
    assert asked(server, key) < 30
