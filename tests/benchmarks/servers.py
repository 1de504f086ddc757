"""Servers that a benchmark starts, waits for and ends."""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launch.server import find_server
from launch.server.instance import ServerInfo

START_S = 90.0


class Line:
    """A connection to our server that is kept, with its owner's key."""

    def __init__(self, server: ServerInfo) -> None:
        basic = base64.b64encode(f"api:{server.key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
        self._port = server.port
        self._connect()

    def _connect(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: Any) -> bytes:
        """Send JSON; the reply.

        Raises:
            RuntimeError: it is an error.
        """
        return self._send("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> bytes:
        """What is at a path.

        Raises:
            RuntimeError: it is an error.
        """
        return self._send("GET", path)

    def _send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            self._connection.request(method, path, body, self._headers)
            reply = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):  # it was idle for too long
            self._connect()
            self._connection.request(method, path, body, self._headers)
            reply = self._connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status}: {text[:2000]!r}")
        return text

    def ask(self, query: str, **variables: Any) -> bytes:
        """One GraphQL operation; the reply."""
        return self.post("/graphql", {"query": query, "variables": variables})

    def timed(self, query: str, **variables: Any) -> float:
        """The milliseconds of one operation, from request to reply."""
        start = time.perf_counter()
        self.ask(query, **variables)
        return 1e3 * (time.perf_counter() - start)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    """Run a server in a process group of its own until the block ends."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        end = time.monotonic() + START_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} does not start:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def ours(state: Path, sources: Path | None = None) -> Iterator[ServerInfo]:
    """The embedded server of a folder, of this version or of the one whose sources lie elsewhere."""
    port = free_port()
    command = [sys.executable, "-m", "launch.cli", "serve", "--dir", str(state), "--port", str(port)]
    more = {} if sources is None else {"PYTHONPATH": str(sources)}
    with running(command, state.parent, port, **more):
        server = find_server(state)
        if server is None:
            raise RuntimeError("the embedded server does not answer")
        yield server
