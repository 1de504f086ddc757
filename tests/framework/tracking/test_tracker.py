"""The tracker's address and key, and what a server that refuses or is away looks like."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.errors import TrackerError, TrackerRefused
from framework.tracking.sweeps import SweepPath, parse_path
from framework.tracking.tracker import CLOUD, Tracker, configured, stored_key


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


def test_where_the_key_of_an_address_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(place))
    entries = {"x:1": "with port", "x": "without", "api.forge.coreweave.com": "cloud", "empty": '""'}
    place.write_text("".join(f'machine {name} login user password "{key}"\n' for name, key in entries.items()))
    found = [stored_key(f"http://{name}") for name in ("x:1", "x:2", "x", "y", "empty")]
    assert found == ["with port", "without", "without", None, None]
    assert stored_key(CLOUD) == "cloud"
    place.write_text("machine x\ndefault login user password any\n")
    assert stored_key("http://x") is None, "a file that cannot be read holds no key"
    place.write_text("default login user password any\n")
    assert stored_key("http://x") == "any"
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stored_key("http://x") is None
    place.rename(tmp_path / "_netrc")
    assert stored_key("http://x") == "any"


@pytest.mark.parametrize("host", [["--host", "http://127.0.0.1:4444"], []])
def test_a_login_of_the_client_is_found(host: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    subprocess.run(
        [sys.executable, "-m", "wandb", "login", "--no-verify", *host, "k" * 40], check=True, capture_output=True,
        env=kept | {"WANDB_CONFIG_DIR": str(tmp_path), "WANDB_DIR": str(tmp_path)}, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    url = host[1] if host else CLOUD
    assert configured({}, url if host else None) == Tracker(url, "k" * 40)


def test_paths_of_sweeps():
    assert parse_path("s", "me") == SweepPath("me", "sashiko", "s")
    assert parse_path("p/s", "me") == SweepPath("me", "p", "s")
    assert str(parse_path("e/p/s", "me")) == "e/p/s"
    with pytest.raises(Exception, match="ENTITY/PROJECT/SWEEP"):
        parse_path("a/b/c/d", "me")
