"""The tracker's address and key, and what a server that refuses or is away looks like."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.errors import TrackerError, TrackerRefused
from framework.tracking.keys import CLOUD
from framework.tracking.sweeps import Sweep, SweepPath, listed, parse_path
from framework.tracking.tracker import Tracker, configured


class Script(http.server.BaseHTTPRequestHandler):
    """Answers from a list of (status, body); the last one for ever."""

    answers: list[tuple[int, object]] = []
    seen: list[object] = []

    def do_POST(self) -> None:
        self.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Script.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_data_of_a_query(url: str):
    Script.answers = [(200, {"data": {"viewer": {"entity": "lab"}}})]
    assert Tracker(url, "key").check() == "lab"


def test_a_wrong_key_is_refused_with_what_to_do(url: str):
    Script.answers = [(401, {"error": "no"})]
    with pytest.raises(TrackerRefused, match=r"refused the API key .*sashiko env"):
        Tracker(url, "key").check()


def test_errors_of_a_query_are_told(url: str):
    Script.answers = [(200, {"errors": [{"message": "no such sweep"}]})]
    with pytest.raises(TrackerError, match="no such sweep"):
        Tracker(url, "key").execute("query X { x }")


QUERY = "query X($cursor: String) { project { runs(after: $cursor) { x } } }"


def page(names: str, cursor: str | None = None) -> tuple[int, object]:
    info = {"endCursor": cursor, "hasNextPage": cursor is not None}
    runs = {"edges": [{"node": {"name": name}} for name in names], "pageInfo": info}
    return 200, {"data": {"project": {"runs": runs}}}


def test_pages_are_fetched_as_their_nodes_are_asked_for(url: str):
    Script.answers = [page("ab", "1"), page("c", "2"), page("d")]
    nodes = Tracker(url, "key").pages(QUERY, {"perPage": 2}, "project", "runs")
    assert nodes is not None
    assert [next(nodes)["name"] for _ in range(2)] == ["a", "b"]
    assert len(Script.seen) == 1
    assert [node["name"] for node in nodes] == ["c", "d"]
    sent = [{"query": QUERY, "variables": {"perPage": 2, "cursor": cursor}} for cursor in (None, "1", "2")]
    assert Script.seen == sent


def test_an_empty_list_is_not_an_absent_one(url: str):
    tracker = Tracker(url, "key")
    Script.answers = [page("")]
    assert list(tracker.pages(QUERY, {}, "project", "runs") or "x") == []
    Script.answers = [(200, {"data": {"project": None}})]
    assert tracker.pages(QUERY, {}, "project", "runs") is None


def test_sweeps_are_listed_no_further_than_they_are_asked_for(url: str):
    nodes = [{"node": {"id": f"k{i}", "name": str(i), "state": "RUNNING", "config": "c"}} for i in range(3)]
    sweeps = {"edges": nodes, "pageInfo": {"endCursor": "1", "hasNextPage": True}}
    Script.answers = [(200, {"data": {"project": {"sweeps": sweeps}}})]
    found = listed(Tracker(url, "key"), "e", "p")
    assert next(found) == Sweep(SweepPath("e", "p", "0"), "k0", "RUNNING", "c")
    assert len(Script.seen) == 1
    Script.answers = [(200, {"data": {"project": None}})]
    assert list(listed(Tracker(url, "key"), "e", "p")) == []


def test_a_server_that_comes_back_is_waited_for(url: str):
    Script.answers = [(503, {}), (500, {}), (200, {"data": {"x": 1}})]
    assert Tracker(url, "key").execute("query X { x }") == {"x": 1}
    assert len(Script.seen) == 3


def test_a_final_error_is_not_repeated(url: str):
    Script.answers = [(404, {"errors": [{"message": "gone"}]})]
    with pytest.raises(TrackerError, match="answered 404: gone"):
        Tracker(url, "key").execute("query X { x }")
    assert len(Script.seen) == 1


def test_no_server_says_how_to_start_one():
    with pytest.raises(TrackerError, match=r"does not answer .*sashiko serve"):
        Tracker("http://127.0.0.1:9", "key", patience_s=0.1).check()


def test_what_decides_the_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert configured({}) is None
    assert configured({"WANDB_API_KEY": "k"}) == Tracker("https://api.wandb.ai", "k")
    assert configured({"WANDB_API_KEY": "k", "WANDB_BASE_URL": "http://x:1/"}) == Tracker("http://x:1", "k")
    with pytest.raises(TrackerRefused, match="no API key for it"):
        configured({"WANDB_BASE_URL": "http://x:1"})
    (tmp_path / "netrc").write_text("machine x\n login user\n password secret\n")
    assert configured({"WANDB_BASE_URL": "http://x:1"}) == Tracker("http://x:1", "secret")
    assert configured({}, "http://x:1") == Tracker("http://x:1", "secret")
    assert configured({"WANDB_BASE_URL": "https://wandb.ai/", "WANDB_API_KEY": "k"}) == Tracker(CLOUD, "k")


def test_paths_of_sweeps():
    assert parse_path("s", "me") == SweepPath("me", "sashiko", "s")
    assert parse_path("p/s", "me") == SweepPath("me", "p", "s")
    assert str(parse_path("e/p/s", "me")) == "e/p/s"
    with pytest.raises(Exception, match="ENTITY/PROJECT/SWEEP"):
        parse_path("a/b/c/d", "me")
