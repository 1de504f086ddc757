"""Ctrl-C at awkward moments, and ends that somebody else chose: what is said, the exit code, what is left."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.day import Day, sweep_of, until
from tests.launch.test_workers import processes

pytestmark = pytest.mark.slow
PLAIN = "{x: {values: [1, 2]}, thing: {value: {size: 0}}}"


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    made = Day(tmp_path)
    try:
        yield made
    finally:
        made.close()


def workers_of(command: "subprocess.Popen[str]") -> list[int]:
    """The processes that descend from a command, by their session: all that it forks stays in it."""
    pids = map(int, processes())
    return [pid for pid in pids if pid != command.pid and _session(pid) == command.pid]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def test_ctrl_c_at_any_moment_ends_in_words_and_the_same_command_goes_on(day: Day):
    file = day.file(PLAIN)
    day.sweep(day.file(PLAIN.replace("[1, 2]", "[7]"), "first"))  # the server runs
    day.touch("hold-1", "hold-2")
    for seconds in (1.5, 2.0, 2.5, 3.0, 3.5):
        command = day.start("sweep", file, "--workers", "2")
        time.sleep(seconds)
        said = day.interrupt(command)
        # Before the command has begun, its interpreter ends by the signal, which a shell tells as 130, too.
        assert command.returncode == 128 + signal.SIGINT or (command.returncode, said) == (-signal.SIGINT, ""), (
            said
        )
        assert "Traceback" not in said, said
        if "sweep local/day/" in said:
            assert "interrupted; go on with: sashiko agents local/day/" in said
        until(lambda command=command: not workers_of(command), "its workers have ended")
    day.free("hold-1", "hold-2")
    done = day.sweep(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 runs finished, 0 failed" in done.stdout
    assert list((day.here / "tmp").glob("sashiko-*")) == []


def test_a_second_ctrl_c_changes_nothing(day: Day):
    day.touch("hold-1", "hold-2")
    command = day.start("sweep", day.file(PLAIN), "--workers", "2")
    until(lambda: day.told("held hold-1") + day.told("held hold-2") == 2, "both points are at work")
    for _ in range(3):
        os.killpg(command.pid, signal.SIGINT)
        time.sleep(0.2)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 128 + signal.SIGINT
    assert "0 runs finished, 2 given back, 0 failed" in said
    assert said.count("interrupted; go on with:") == 1
    assert "Traceback" not in said


def test_workers_that_are_killed_are_told_of(day: Day):
    day.touch("hold-1", "hold-2")
    command = day.start("sweep", day.file(PLAIN), "--workers", "2")
    until(lambda: day.told("held hold-1") == 1, "a point is at work")
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)  # the first is the server that the command started
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "the workers were killed by signal 9" in said
    assert "Go on with: sashiko agents local/day/" in said
    until(lambda: not workers_of(command), "nothing of them is left")


def test_a_sweep_that_is_cancelled_while_it_is_worked_is_no_success(day: Day):
    day.touch("hold-1")
    command = day.start("sweep", day.file(PLAIN), "--workers", "1")
    until(lambda: day.told("held hold-1") == 1, "a point is at work")
    path = _only_sweep(day)
    day.cancel(path)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 1, said
    assert f"{path} was cancelled with 1 point open" in said
    assert sweep_of(said) == path


def _only_sweep(day: Day) -> str:
    (sweep,) = day.client("print(json.dumps([s.id for s in api.project('day', 'local').sweeps()]))")
    return f"local/day/{sweep}"


def test_the_workers_clients_leave_no_copies_of_what_they_sent(day: Day):
    assert day.sweep(day.file(PLAIN)).returncode == 0
    kept = [day.lab.folder / name for name in ("wandb-data", "wandb-cache")]
    assert [path for folder in kept if folder.exists() for path in folder.rglob("*") if path.is_file()] == []
    alone = day.lab.sashiko("run", "day", "--x", "5", "--thing.size", "0", WANDB_PROJECT="day")
    assert alone.returncode == 0, alone.stderr
    assert [path for folder in kept if folder.exists() for path in folder.rglob("*") if path.is_file()] == []
    assert list((day.here / "tmp").glob("sashiko-*")) == []


def test_an_experiment_that_is_added_makes_nothing_stale(day: Day):
    first = day.file("{x: {values: [1]}, thing: {value: {size: 2}}}", "s1")
    assert day.sweep(first).returncode == 0
    day.lab.add_experiment("other", "manager:Day", {"manager.py": "from experiments.day.manager import Day\n"})
    again = day.sweep(day.file("{x: {values: [2]}, thing: {value: {size: 2}}}", "s2"), "--stale", "refuse")
    assert again.returncode == 0, again.stdout + again.stderr


def test_what_is_refused_as_stale_makes_no_sweep(day: Day):
    assert day.sweep(day.file("{x: {values: [1]}, thing: {value: {size: 2}}}", "s1")).returncode == 0
    day.change("FACTOR = 1", "FACTOR = 10")
    refused = day.sweep(day.file("{x: {values: [2]}, thing: {value: {size: 2}}}", "s2"), "--stale", "refuse")
    assert refused.returncode == 1
    assert "is stale: experiments.day.manager changed" in refused.stderr
    assert _only_sweep(day)


def test_a_kind_or_a_value_that_is_not_there_is_told_when_it_is_sought(day: Day):
    assert day.sweep(day.file("{x: {values: [1]}, thing: {value: {size: 2}}}")).returncode == 0
    found = day.lab.sashiko("find", "thing", "size=2", "--project", "day")
    assert (found.returncode, found.stdout.count("thing-")) == (0, 1)
    for words, told in ((("think", "size=2"), "did you mean `thing`"), (("thing", "sise=2"), "none with sise=2")):
        missed = day.lab.sashiko("find", *words, "--project", "day")
        assert missed.returncode == 1
        assert told in missed.stderr
        assert "Traceback" not in missed.stderr
