"""The workers' parent, over workers that sleep, die or leave something behind, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from launch.child import STOPPING
from launch.supervising import Workers

here, behaviour, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def told(word):
    with (here / "told").open("a") as file:
        file.write(word + "\\n")


def fork(index):
    pid = os.fork()
    if pid:
        return pid
    for number in STOPPING:
        signal.signal(number, lambda number, _: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    times = (here / "told").read_text().count(f"start {index}")
    told(f"start {index} {os.getpid()}")
    if behaviour == "dies" or (behaviour == "dies once" and not times):
        if behaviour == "dies once":
            orphan = subprocess.Popen(["sleep", "60"])
            told(f"orphan {orphan.pid}")
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "sleeps":
        time.sleep(60)
    os._exit(index if behaviour == "exits" else 0)


def lost(index):
    told(f"lost {index}")


(here / "told").touch()
print(json.dumps({"code": Workers(fork, lost).run(count)}))
"""


def start(folder: Path, behaviour: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), behaviour, str(count)], stdout=subprocess.PIPE, text=True
    )


def ended(process: "subprocess.Popen[str]") -> int:
    said, _ = process.communicate(timeout=60)
    return int(json.loads(said)["code"])


def told(folder: Path, word: str) -> list[str]:
    return [line for line in (folder / "told").read_text().splitlines() if line.startswith(word)]


def test_exit_codes_pass(tmp_path: Path):
    assert ended(start(tmp_path, "exits", 4)) == 3
    assert len(told(tmp_path, "start")) == 4
    assert not told(tmp_path, "lost")


def test_one_that_is_killed_is_replaced_when_nothing_of_it_lives_any_more(tmp_path: Path):
    assert ended(start(tmp_path, "dies once", 1)) == 0
    assert len(told(tmp_path, "start 0")) == 2
    orphan = told(tmp_path, "orphan")[0].split()[1]
    assert told(tmp_path, "lost") == ["lost 0"]
    end = time.monotonic() + 5
    while Path(f"/proc/{orphan}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{orphan}").exists(), "what it had left behind lives"


def test_one_that_dies_again_and_again_is_not(tmp_path: Path):
    assert ended(start(tmp_path, "dies", 2)) == 128 + signal.SIGKILL
    assert len(told(tmp_path, "start 0")) == 3
    assert len(told(tmp_path, "lost 0")) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
def test_signals_are_passed_on_and_nobody_is_replaced_then(tmp_path: Path, number: signal.Signals):
    process = start(tmp_path, "sleeps", 3)
    end = time.monotonic() + 30
    while not (tmp_path / "told").exists() or len(told(tmp_path, "start")) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(number)
    assert ended(process) == 128 + number
    assert len(told(tmp_path, "start")) == 3


def test_a_worker_that_somebody_kills_while_all_are_asked_to_stop_stays_dead(tmp_path: Path):
    process = start(tmp_path, "sleeps", 2)
    end = time.monotonic() + 30
    while not (tmp_path / "told").exists() or len(told(tmp_path, "start")) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(int(told(tmp_path, "start 0")[0].split()[2]), signal.SIGKILL)
    end = time.monotonic() + 30
    while len(told(tmp_path, "start 0")) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 128 + signal.SIGTERM
    assert len(told(tmp_path, "start")) == 3
