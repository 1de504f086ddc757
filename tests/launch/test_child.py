"""The forked child: every way to end is told apart, and its output is kept."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framework.errors import Interrupted, NotStarted
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1])
def test_a_signal_is_told_by_name(tmp_path: Path, number: signal.Signals):
    outcome = ended(lambda: os.kill(os.getpid(), number), tmp_path / "log")
    assert outcome.error == f"killed by signal {number.value} ({number.name})"
    assert (outcome.closed, outcome.exit_code) == (False, 128 + number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_is_asked_to_end_closes_what_it_holds(tmp_path: Path, number: signal.Signals):
    def work() -> None:
        try:
            (tmp_path / "ready").touch()
            time.sleep(60)
        finally:
            (tmp_path / "closed").touch()

    child = Child(work, tmp_path / "log")
    wait_for((tmp_path / "ready").exists)
    child.kill(number)
    child.kill(number)  # a second one does not cut the closing short
    outcome = child.wait(20)
    assert outcome is not None
    assert (outcome.closed, outcome.exit_code, outcome.signal) == (True, 128 + number, number)
    assert outcome.error == f"interrupted by signal {number.value} ({number.name})"
    assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("dies", [True, False])
def test_a_grandchild_that_lives_on_keeps_nobody_waiting(tmp_path: Path, dies: bool):
    """It has inherited the pipe. The child is seen to be gone at once, and the grandchild ends with it."""

    def work() -> None:
        grandchild = subprocess.Popen(["sleep", "60"], close_fds=False)
        (tmp_path / "pid").write_text(str(grandchild.pid))
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    began = time.monotonic()
    # A descriptor that a plain fork inherits as well.
    outcome = Child(lambda: (fork_a_sleeper(tmp_path), work()), tmp_path / "log").wait(20)
    assert time.monotonic() - began < 10
    assert outcome is not None
    assert outcome.exit_code == (128 + signal.SIGKILL if dies else 0)
    for name in ("pid", "forked"):
        pid = int((tmp_path / name).read_text())
        wait_for(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def fork_a_sleeper(folder: Path) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    (folder / "forked").write_text(str(pid))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("dies", [True, False])
def test_temporary_files_go_with_the_child(tmp_path: Path, dies: bool):
    def work() -> None:
        folder = tempfile.mkdtemp()
        Path(folder, "large").write_bytes(b"x" * 1000)
        assert Path(folder).is_relative_to(tmp_path)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    outcome = Child(work, tmp_path / "log", tmp_path / "scratch").wait(20)
    assert outcome is not None
    assert bool(outcome.error) == dies
    assert not (tmp_path / "scratch").exists()


def test_a_report_larger_than_a_pipe_arrives_whole(tmp_path: Path):
    assert ended(lambda: "x" * 1_000_000, tmp_path / "log").value == "x" * 1_000_000


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


def test_a_run_that_was_not_begun_is_not_closed(tmp_path: Path):
    def refused() -> None:
        raise NotStarted("CommError: no")

    def interrupted() -> None:
        raise NotStarted("Interrupted") from Interrupted(signal.SIGINT)

    outcome = ended(refused, tmp_path / "log")
    assert (outcome.closed, outcome.error, outcome.exit_code) == (False, "CommError: no", 1)
    outcome = ended(interrupted, tmp_path / "log")
    assert (outcome.closed, outcome.exit_code) == (False, 130)


def test_a_child_that_leaves_a_run_open_has_not_closed_it(tmp_path: Path):
    """Interrupted between the begin of its run and the block that would have ended it."""
    from framework.tracking.current import open_runs

    def begin() -> None:
        open_runs.add("local/lab/r1")
        raise Interrupted(signal.SIGINT)

    outcome = Child(begin, tmp_path / "log").wait(10)
    assert outcome is not None
    assert (outcome.closed, outcome.exit_code) == (False, 130)
    assert not open_runs


def test_what_a_child_that_was_killed_had_used_is_told(tmp_path: Path):
    def work() -> None:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    outcome = ended(work, tmp_path / "log")
    assert outcome.error == "killed by signal 9 (SIGKILL)"
    assert 0.2 <= outcome.used["cpu_seconds"] < 5
    assert outcome.used["seconds"] >= 0.15
    assert 5 < outcome.used["peak_memory_mb"] < 2_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_that_a_library_makes_an_error_of_is_that_signal(tmp_path: Path, number: signal.Signals):
    """pydantic does so, where one comes while it builds a schema."""

    def work() -> None:
        try:
            (tmp_path / "ready").touch()
            time.sleep(60)
        except BaseException as error:
            raise ValueError("a schema could not be built") from error

    child = Child(work, tmp_path / "log")
    wait_for((tmp_path / "ready").exists)
    child.kill(number)
    outcome = child.wait(20)
    assert outcome is not None
    assert outcome.error == str(Interrupted(number))
    assert outcome.exit_code == 128 + number
    assert "Traceback" not in (tmp_path / "log").read_text()
