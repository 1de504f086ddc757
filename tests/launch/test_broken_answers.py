"""The tracker's answer breaks off just when a run begins: it is begun once more, and is one run."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from launch.server import find_server
from tests.lab import Lab, quick_sweep
from tests.launch.test_workers import rows, server_env, sweep_path

pytestmark = pytest.mark.slow

BEGINS = b"mutation UpsertBucket"


class Relay:
    """A way to the server that hands on one request a connection, and breaks off the first answers to a kind.

    What is cut is their last byte: to the client the server died between two packets.
    """

    def __init__(self, behind: int, kind: bytes, cuts: int) -> None:
        self.behind, self.kind, self.cuts = behind, kind, cuts
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # it is closed
            threading.Thread(target=self.hand_on, args=(client,), daemon=True).start()

    def hand_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.behind)) as server:
            head, body = request_of(client)
            server.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            answer = b"".join(iter(lambda: server.recv(65536), b""))
            if self.kind in body and self.cuts:
                self.cuts -= 1
                answer = answer[:-1]
            client.sendall(answer)


def request_of(client: socket.socket) -> tuple[bytes, bytes]:
    """One request, whole, without what it says of its connection."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += client.recv(65536) or b"\r\n\r\n"
    head, _, body = text.partition(b"\r\n\r\n")
    told = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while told and len(body) < int(told[1]):
        body += client.recv(65536)
    return re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE), body


@contextmanager
def cutting(lab: Lab, cuts: int) -> Iterator[tuple[Relay, dict[str, str]]]:
    """The lab's server behind a relay, and the environment that points there."""
    server_env(lab)
    info = find_server(lab.folder / ".sashiko")
    assert info is not None
    relay = Relay(info.port, BEGINS, cuts)
    try:
        yield relay, {"WANDB_BASE_URL": f"http://127.0.0.1:{relay.port}", "WANDB_API_KEY": info.key}
    finally:
        relay.listener.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_sweep_has_one_run_a_point(lab: Lab, workers: str):
    file = quick_sweep(lab, f"broken{workers}", f"{{x: {{values: [0, 1, 2]}}, y: {{value: {workers}}}}}")
    with cutting(lab, 1) as (relay, there):
        done = lab.call("launch.cli", "sweep", str(file), "--workers", workers, **there)
    assert done.returncode == 0, done.stdout + done.stderr
    assert relay.cuts == 0
    assert "3 runs finished, 0 failed" in done.stdout
    assert "once more" not in done.stdout + done.stderr
    found = rows(lab, sweep_path(done.stdout))
    assert sorted(r["config"]["x"] for r in found) == [0, 1, 2]  # type: ignore[index]
    assert [len(r["history"]) for r in found] == [1, 1, 1]  # type: ignore[arg-type]


def test_a_run_that_is_started_by_hand_is_one(lab: Lab):
    with cutting(lab, 1) as (relay, there):
        done = lab.sashiko("run", "quick", "--x", "7", **there, WANDB_PROJECT="by-hand")
        assert done.returncode == 0, done.stdout + done.stderr
        assert relay.cuts == 0
        listed = json.loads(
            lab.sashiko("query", "SELECT state, x FROM runs", "--project", "by-hand", "--json").stdout
        )
    assert listed["rows"] == [{"state": "finished", "x": 7}]
