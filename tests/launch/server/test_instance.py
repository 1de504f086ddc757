"""The server as a process: found, refused a second time, its secrets private, gone without a trace."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.errors import ConfigError
from launch.server import Address, ServeOptions, ServerBusy, find_server, serve
from launch.server.instance import private_text

SERVE = """
import sys
from pathlib import Path
from launch.server import Address, serve
serve(Path(sys.argv[1]), Address(port=0), on_ready=lambda info: print(info.url, flush=True))
"""


def start(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    return process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(tmp_path / "state")
    yield process
    process.kill()
    process.communicate(timeout=20)


def test_it_is_found_and_leaves(server: subprocess.Popen[str], tmp_path: Path) -> None:
    found = find_server(tmp_path / "state")
    assert found is not None
    assert (found.pid, found.entity, found.directory) == (server.pid, "local", tmp_path / "state")
    assert len(found.key) >= 40
    with urllib.request.urlopen(f"{found.url}/healthz", timeout=5) as reply:
        assert json.loads(reply.read())["status"] == "ok"
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=20) == 0
    assert find_server(tmp_path / "state") is None
    left = {path.name for path in (tmp_path / "state").iterdir()}
    assert left == {"api_key", "secret", "server.db", "blobs", "lock", "port"}


def test_secrets_are_private(server: subprocess.Popen[str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for name in ("api_key", "secret"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600


def test_a_second_one_is_refused_by_name(server: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(ServerBusy, match=f"pid {server.pid}"):
        serve(tmp_path / "state", Address(port=0))


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServerBusy, match="choose another port"):
            serve(tmp_path, Address(port=other.getsockname()[1]))


def test_after_a_kill_the_stale_file_is_ignored(server: subprocess.Popen[str], tmp_path: Path) -> None:
    first = find_server(tmp_path / "state")
    assert first is not None
    server.kill()
    server.wait(timeout=20)
    assert (tmp_path / "state" / "server.json").exists()
    assert find_server(tmp_path / "state") is None
    again = start(tmp_path / "state")
    found = find_server(tmp_path / "state")
    assert found is not None
    assert (found.pid, found.key) == (again.pid, first.key)
    again.send_signal(signal.SIGINT)
    assert again.wait(timeout=20) == 0
    again.communicate()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"url": "http://127.0.0.1:9", "pid": "x"}', '{"url": 1, "pid": null}']
)
def test_broken_state_files_are_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "api_key").write_text("k")
    (tmp_path / "server.json").write_text(text)
    assert find_server(tmp_path) is None


def test_a_living_pid_alone_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("k")
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": os.getpid()}))
    assert find_server(tmp_path) is None


def test_a_busy_one_is_a_server(server: subprocess.Popen[str], tmp_path: Path) -> None:
    """It says that it lives after three seconds: until then it has all hands full, or the machine has."""
    told = find_server(tmp_path / "state")
    server.send_signal(signal.SIGSTOP)
    wake = threading.Timer(3.0, server.send_signal, (signal.SIGCONT,))
    wake.start()
    try:
        assert find_server(tmp_path / "state") == told is not None
    finally:
        server.send_signal(signal.SIGCONT)
        wake.cancel()


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    values: list[str] = []
    threads = [threading.Thread(target=lambda: values.append(private_text(tmp_path / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = private_text(tmp_path / "key")
    assert set(values) <= {first}
    assert len(first) >= 40


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.5", 0.5)])
def test_lease_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv("SASHIKO_LEASE_SECONDS", text)
    assert ServeOptions.from_environment().lease_seconds == seconds


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", ""])
def test_leases_that_cannot_be(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SASHIKO_LEASE_SECONDS", text)
    with pytest.raises(ConfigError, match="SASHIKO_LEASE_SECONDS"):
        ServeOptions.from_environment()


def test_importing_the_package_is_cheap() -> None:
    heavy = ("starlette", "uvicorn", "graphql", "jinja2")
    code = f"import sys, launch.server; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "[]"
    )
