"""The forked child: every way to end is told apart, and its output is kept."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launch.child import Child, Outcome

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def ended(work: Callable[[], Any], log: Path) -> Outcome:
    outcome = Child(work, log).wait(20)
    assert outcome is not None
    return outcome


def fail() -> None:
    raise ValueError("too bad")


def test_success_returns_its_value(tmp_path: Path):
    outcome = ended(lambda: {"a": 1}, tmp_path / "log")
    assert outcome == Outcome(closed=True, error="", value={"a": 1})
    assert outcome.exit_code == 0


def test_an_exception_is_told_and_its_traceback_kept(tmp_path: Path):
    outcome = ended(fail, tmp_path / "log")
    assert (outcome.closed, outcome.error, outcome.exit_code) == (True, "ValueError: too bad", 1)
    assert "in fail" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_told_by_name(tmp_path: Path, number: signal.Signals):
    outcome = ended(lambda: os.kill(os.getpid(), number), tmp_path / "log")
    assert outcome.error == f"killed by signal {number.value} ({number.name})"
    assert (outcome.closed, outcome.exit_code) == (False, 128 + number)


def test_a_hard_exit_is_told(tmp_path: Path):
    outcome = ended(lambda: os._exit(7), tmp_path / "log")
    assert (outcome.closed, outcome.error) == (False, "exited with code 7 without ending its run")
    assert outcome.exit_code == 1


def test_a_hard_exit_with_0_is_no_success(tmp_path: Path):
    assert ended(lambda: os._exit(0), tmp_path / "log").exit_code == 1


def test_output_of_python_and_of_c_goes_to_the_log(tmp_path: Path):
    def talk() -> None:
        print("from python")
        print("aside", file=sys.stderr)
        os.write(2, b"from c\n")

    ended(talk, tmp_path / "log")
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "aside", "from c", "from python"]


def test_wait_returns_while_the_child_works_and_kill_ends_it(tmp_path: Path):
    child = Child(lambda: time.sleep(60), tmp_path / "log")
    assert child.wait(0.05) is None
    child.kill(signal.SIGKILL)
    outcome = child.wait(20)
    assert outcome is not None
    assert outcome.signal == signal.SIGKILL
    child.kill(signal.SIGKILL)  # gone already: no error


def test_a_child_dies_with_its_parent(tmp_path: Path):
    marker = tmp_path / "pid"

    def grandparent() -> None:
        inner = Child(lambda: (marker.write_text(str(os.getpid())), time.sleep(60)), tmp_path / "inner")
        while not marker.exists() or not marker.read_text():
            inner.wait(0.02)
        os.kill(os.getpid(), signal.SIGKILL)

    ended(grandparent, tmp_path / "log")
    pid = int(marker.read_text())
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"the child {pid} outlived its parent")


def test_a_signal_that_comes_within_a_fork_is_not_lost():
    code = """
import os, signal, sys, tempfile
from pathlib import Path
from launch.child import Child

def stop(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, stop)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
try:
    Child(lambda: None, Path(tempfile.mkdtemp()) / "log").wait(20)
except KeyboardInterrupt:
    sys.exit(7)
sys.exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
