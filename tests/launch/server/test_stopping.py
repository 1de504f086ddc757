"""A signal to stop: what is under way is answered, the rest is cut off, the database closed, the exit code 0."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launch.server.errors import Stopping
from launch.server.instance import DRAIN_SECONDS, GOODBYE_SECONDS
from launch.server.storage import Store, Tables, open_store
from tests.launch.server.schemas import making
from tests.launch.server.schemas.asking import Asker

SERVE = """
import sys
from pathlib import Path
from launch.server import Address, instance
instance.DRAIN_SECONDS = int(sys.argv[2])
instance.serve(Path(sys.argv[1]), Address(port=0), on_ready=lambda info: print(info.url, flush=True))
"""
PATIENT, ENDS = 600, 60.0
"""Seconds: how long a server waits that is not to cut anything off, and in which it has ended without that."""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"


class Running:
    """A server as a process, and connections to it that last."""

    def __init__(self, folder: Path, drain: int) -> None:
        self.folder = folder
        command = [sys.executable, "-c", SERVE, str(folder), str(drain)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.host, port = self.url.removeprefix("http://").split(":")
        self.port = int(port)
        self.who = Asker(making.over_http(self.url), (folder / "api_key").read_text().strip())
        self.opened: list[socket.socket] = []

    def send(self, method: str, path: str, body: bytes = b"", length: int | None = None) -> socket.socket:
        """A request on a connection of its own, with more announced than is sent if need be."""
        connection = socket.create_connection((self.host, self.port), timeout=ENDS)
        self.opened.append(connection)
        head = {
            "Host": f"{self.host}:{self.port}",
            **self.who.headers,
            "Content-Length": str(len(body) if length is None else length),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        return connection

    def upload(self, name: str, body: bytes, length: int) -> socket.socket:
        """A file of which so many bytes are announced."""
        made = self.who.ask(making.FILES, e="local", p="p", r="r", f=[name])["createRunFiles"]["files"]
        return self.send("PUT", "/" + made[0]["uploadUrl"].split("/", 3)[3], body, length)

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self.process.send_signal(number)

    def has_ended_well(self) -> bool:
        """It has ended with 0, and left a database that needs nothing beside it."""
        assert self.process.wait(timeout=ENDS) == 0
        left = {path.name for path in self.folder.iterdir()}
        return left == {"api_key", "secret", "server.db", "blobs", "lock", "port"}

    def close(self) -> None:
        for connection in self.opened:
            connection.close()
        self.process.kill()
        self.process.communicate(timeout=ENDS)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Running]:
    """A server that cuts nothing off."""
    made = Running(tmp_path / "state", PATIENT)
    making.begin(made.who, ("local", "p"), "r")
    yield made
    made.close()


@pytest.fixture
def usual(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path / "state", DRAIN_SECONDS)
    making.begin(made.who, ("local", "p"), "r")
    yield made
    made.close()


def rest_of(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


def fill(running: Running, rows: int) -> None:
    content = [json.dumps({"_step": step, "x": "y" * 2000}) for step in range(rows)]
    body: dict[str, Any] = {"files": {"wandb-history.jsonl": {"offset": 0, "content": content}}}
    assert running.who.post("/files/local/p/r/file_stream", body)[0] == 200


def history(running: Running) -> bytes:
    query = '{ project(name: "p") { run(name: "r") { history(samples: 10000) } } }'
    return json.dumps({"query": query}).encode()


def test_what_is_under_way_is_answered(patient: Running) -> None:
    """An upload of which half has arrived, a large answer that is read slowly, a connection with nothing on it."""
    fill(patient, 3000)
    upload = patient.upload("file", b"a" * 50_000, 100_000)
    answer = patient.send("POST", "/graphql", history(patient))
    head = answer.recv(20)
    idle = patient.send("GET", "/healthz")
    assert b"200" in idle.recv(20)
    patient.stop(signal.SIGTERM)
    threading.Event().wait(0.5)
    upload.sendall(b"a" * 50_000)
    assert upload.recv(12) == b"HTTP/1.1 200"
    assert head.startswith(b"HTTP/1.1 200")
    assert rest_of(answer).endswith(b"}}}")
    assert patient.has_ended_well()
    made = open_store(patient.folder / "server.db")
    with made.read() as tables:
        assert [row["name"] for row in tables.files.listed(1)] == ["file"]
    made.close()


def test_streams_without_an_end_come_to_one(patient: Running) -> None:
    page = patient.send("GET", "/view/local/p/live")
    assert b"200" in page.recv(20)
    patient.stop(signal.SIGTERM)
    assert rest_of(page).endswith(b"0\r\n\r\n")  # the last chunk: it was not cut off
    assert patient.has_ended_well()


def test_who_reads_or_sends_nothing_is_cut_off(usual: Running) -> None:
    fill(usual, 4000)
    usual.send("POST", "/graphql", history(usual)).recv(20)
    usual.upload("file", b"a" * 50_000, 100_000)
    usual.send("POST", "/files/local/p/r/file_stream", b"{", 1000)
    usual.stop(signal.SIGTERM)
    assert usual.has_ended_well()
    assert list((usual.folder / "blobs" / "incoming").iterdir()) == []


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nobody(patient: Running, second: int) -> None:
    patient.upload("file", b"a", 100_000)
    patient.stop(signal.SIGTERM)
    threading.Event().wait(0.5)  # two signals at once are one
    patient.stop(second)
    assert patient.has_ended_well()


def test_the_time_for_the_rest_is_within_the_time_for_all() -> None:
    assert DRAIN_SECONDS + 1 < GOODBYE_SECONDS


def interrupted(store: Store[Tables], *, writes: bool) -> Exception | None:
    """What a statement without an end comes to."""
    begun, errors = threading.Event(), []

    def work() -> None:
        try:
            with store.write() if writes else store.read() as tables:
                if writes:
                    tables.projects.make("half")
                begun.set()
                tables.runs._db.execute(ENDLESS).fetchone()
        except Stopping as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    while thread.is_alive():
        store.interrupt()
        thread.join(0.01)
    return errors[0] if errors else None


@pytest.mark.parametrize("writes", [False, True])
def test_statements_without_an_end_are_interrupted(tmp_path: Path, writes: bool) -> None:
    store = open_store(tmp_path / "server.db")
    assert isinstance(interrupted(store, writes=writes), Stopping)
    with pytest.raises(Stopping, match="try again"), store.read():
        pass
    with pytest.raises(Stopping, match="try again"), store.write():
        pass
    store.close()
    again = open_store(tmp_path / "server.db")
    with again.read() as tables:
        assert tables.projects.by_name("half") is None
    again.close()
