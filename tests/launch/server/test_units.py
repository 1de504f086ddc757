"""The unit files in docs/systemd are true: systemd reads them, they start what there is, and it tells when."""

import configparser
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from launch.cli import app
from launch.server import notifying
from launch.server.instance import GOODBYE_SECONDS
from tests.lab import ROOT, own_port

UNITS = {"system": ROOT / "docs/systemd/sashiko.service", "user": ROOT / "docs/systemd/sashiko-user.service"}


def service(kind: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS[kind])
    return parser["Service"]


def words(kind: str, state: Path) -> list[str]:
    """What the unit starts, with this installation and a folder of the test's."""
    program, *rest = service(kind)["ExecStart"].split()
    assert program.endswith("/.venv/bin/sashiko")
    port = str(own_port())
    values = {"--dir": str(state), "--port": port, "--url": f"http://127.0.0.1:{port}"}
    for option, value in values.items():
        if option in rest:
            rest[rest.index(option) + 1] = value
    return [sys.executable, "-m", "launch.cli", *rest]


@pytest.mark.parametrize("kind", UNITS)
def test_systemd_reads_it(kind: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    text = UNITS[kind].read_text()
    start = service(kind)["ExecStart"].split()[0]
    (tmp_path / "sashiko.service").write_text(text.replace(start, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", f"--{kind}", "verify", str(tmp_path / "sashiko.service")],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("kind", UNITS)
def test_it_is_given_the_time_to_end(kind: str) -> None:
    assert float(service(kind)["TimeoutStopSec"]) > 2 * GOODBYE_SECONDS
    assert service(kind)["KillMode"] == "mixed"  # the signal is for the server alone, not for what it has started
    assert (service(kind)["Type"], service(kind)["Restart"]) == ("notify", "on-failure")


def test_the_folder_of_the_system_is_where_its_unit_says() -> None:
    unit = service("system")
    assert unit["ExecStart"].split()[3] == unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNITS)
def test_what_it_starts_tells_when_it_answers_and_ends_well(kind: str, tmp_path: Path) -> None:
    state, heard = tmp_path / "state", tmp_path / "notify"
    if kind == "system":  # as docs/server.md says
        command: typer.core.TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
        command.main(["serve", "--dir", str(state), "user", "add", "north"], standalone_mode=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(heard))
        manager.settimeout(60)
        process = subprocess.Popen(
            words(kind, state), stdout=subprocess.DEVNULL, cwd=tmp_path,
            env=os.environ | {"NOTIFY_SOCKET": str(heard), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        try:
            assert manager.recv(100) == b"READY=1"
            assert (state / "server.json").exists()
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("address", ["", "nonsense", "/nobody/listens/here", "@nobody-listens-here"])
def test_where_nobody_listens_nobody_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notifying.SOCKET, address)
    notifying.tell(notifying.READY)


def test_a_name_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"sashiko-{os.getpid()}"
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        monkeypatch.setenv(notifying.SOCKET, f"@{name}")
        notifying.tell(notifying.STOPPING)
        assert manager.recv(100) == b"STOPPING=1"
