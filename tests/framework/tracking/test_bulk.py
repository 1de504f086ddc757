"""A project read in bulk from a server that breaks off, and a tracker that knows nothing of it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from framework.errors import TrackerAway, TrackerError, TrackerRefused
from framework.tracking import tracker as tracking
from framework.tracking.bulk import Bulk, Part, offered, pack
from framework.tracking.tracker import Tracker
from launch.archive.archiving import must_be_whole
from launch.archive.making import Making
from launch.archive.source import BulkSource
from launch.archive.writer import Writer

Answer = tuple[int, bytes, int | None]
"""Status, body, and after how many bytes it breaks off."""


class Server(ThreadingHTTPServer):
    """Answers what the test says; remembers what was asked."""

    answers: Callable[[str, dict[str, list[str]]], Answer]
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        status, body, cut = self.server.answers(parts.path, parse_qs(parts.query))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(tracking, "FIRST_PAUSE_S", 0.01)
    made = Server(("127.0.0.1", 0), Handler)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def bulk(server: Server) -> Bulk:
    return Bulk(Tracker(f"http://127.0.0.1:{server.server_address[1]}", "k", patience_s=1.0), "e", "p")


def run(key: int, rows: range) -> bytes:
    body = json.dumps({"id": f"r{key}", "files": [], "sweep": None}).encode()
    head = pack("run", body, key=key, run=f"r{key}", state="finished", files=0, makers=[])
    half = len(rows) // 2
    pieces = [rows[:half], rows[half:]]
    return head + b"".join(
        pack("history", b"".join(b'{"_step":%d}\n' % n for n in piece), rows=len(piece), first=piece.start)
        for piece in pieces
        if piece
    )


def breaking(cuts: list[int | None]) -> Callable[[str, dict[str, list[str]]], Answer]:
    """Three runs of ten rows; each answer breaks off after the next number of bytes."""

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        if not path.endswith("/runs"):
            return 200, pack("end", b""), None
        after = int(query["after"][0])
        body = b"".join(run(key, range(10)) for key in (1, 2, 3) if key > after) + pack("end", b"")
        return 200, body, cuts.pop(0) if cuts else None

    return answer


WHOLE = len(run(1, range(10)))


@pytest.mark.parametrize(
    ("cut", "after"),  # that a run is whole is known once the next one begins
    [(1, 0), (WHOLE - 5, 0), (WHOLE, 0), (WHOLE + 150, 1), (2 * WHOLE - 30, 1), (3 * WHOLE + 3, 2)],
)
def test_what_breaks_off_goes_on_after_the_last_whole_one(server: Server, cut: int, after: int):
    server.answers = breaking([cut, 7])
    units = list(bulk(server).units("runs"))
    assert [unit[0].head["run"] for unit in units] == ["r1", "r2", "r3"]
    assert [[part.head["first"] for part in unit[1:]] for unit in units] == [[0, 5]] * 3
    assert len(server.asked) == 3
    assert [query.rsplit("after=", 1)[1] for query in server.asked] == ["0", str(after), str(after)]


@pytest.mark.parametrize("cut", [1, WHOLE - 5, WHOLE + 40, 2 * WHOLE - 30, 3 * WHOLE + 3])
def test_an_archive_has_each_row_once_all_the_same(server: Server, tmp_path: Path, cut: int):
    server.answers = breaking([cut, 7, cut])
    path = tmp_path / "a.tar.zst"
    home = bulk(server)
    with Writer(path, {"project": "e/p", "sweep": None}, {}, force=False) as writer:
        making = Making(BulkSource(home.tracker, "e", "p"), writer, [])
        making.done.step = "runs"
        assert list(making.make()) == [1, 2, 3]
        writer.finish(making.state(), {"counts": making.done.counts})
    archive = must_be_whole(path)
    for key in (1, 2, 3):
        pieces = [name for name in archive.members if name.startswith(f"runs/r{key}/history-")]
        rows = [json.loads(line)["_step"] for name in pieces for line in archive.read(name).splitlines()]
        assert rows == list(range(10))
    assert making.done.counts["rows"] == 30


def test_one_that_always_breaks_off_at_the_same_place_is_given_up(server: Server):
    server.answers = breaking([5] * 50)
    with pytest.raises(TrackerAway, match="breaks off again and again"):
        list(bulk(server).parts("runs"))
    assert len(server.asked) == 5


def test_a_file_goes_on_in_the_middle_and_its_length_is_looked_at(server: Server):
    cuts: list[int | None] = [3, 600_000, None]
    data = bytes(range(256)) * 4_000
    server.answers = lambda path, query: (200, data, cuts.pop(0) if cuts else None)
    assert b"".join(bulk(server).file("/storage/x", len(data))) == data
    with pytest.raises(TrackerError, match=r"has 1,024,000 bytes, and 7 were told"):
        list(bulk(server).file("/storage/x", 7))


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"bulk": 1}', True),
        (200, b'{"bulk": 2}', False),
        (200, b"<html>", False),
        (200, b"[]", False),
        (404, b"not found", False),
    ],
)
def test_whether_a_tracker_sends_in_bulk(server: Server, status: int, body: bytes, answer: bool):
    server.answers = lambda path, query: (status, body, None)
    assert offered(bulk(server).tracker) is answer


def test_a_refusal_is_told(server: Server):
    server.answers = lambda path, query: (403, b'{"error": "this key may only look"}', None)
    with pytest.raises(TrackerRefused, match="answered 403: this key may only look"):
        list(bulk(server).parts("runs"))
    server.answers = lambda path, query: (404, b'{"error": "there is no project"}', None)
    assert bulk(server).about() is None
    with pytest.raises(TrackerError, match="answered 404: there is no project"):
        list(bulk(server).parts("runs"))


def test_a_part_is_a_line_and_its_bytes():
    assert pack("run", b"ab\n", key=3) == b'{"part":"run","bytes":3,"key":3}\nab\n'
    assert Part("end", {}, b"").kind == "end"
