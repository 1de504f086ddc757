"""How far a clock is from a server's, by the date of an answer."""

import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from launch import clocks


class Answering(BaseHTTPRequestHandler):
    ahead_s: float | None = 0.0

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        if self.ahead_s is not None:
            self.send_header("Date", formatdate(time.time() + self.ahead_s, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("ahead_s", [0.0, 600.0, -600.0])
def test_the_difference_is_told_to_about_a_second(url: str, ahead_s: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answering, "ahead_s", ahead_s)
    found = clocks.ahead_of(url)
    assert found is not None
    assert abs(found + ahead_s) < 2
    assert abs(clocks.now_at(url) - (time.time() + ahead_s)) < 2


def test_a_server_that_tells_no_time_or_is_not_there(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answering, "ahead_s", None)
    assert clocks.ahead_of(url) is None
    assert clocks.ahead_of("http://127.0.0.1:1") is None
    assert abs(clocks.now_at("http://127.0.0.1:1") - time.time()) < 1
