"""Workers, children and the server are killed at random moments: every point ends once, as if nothing had been."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, own_port
from tests.launch.test_workers import sweep_path
from tests.launch.trained import KEPT, add_trained, asked, runs_of, trained_sweep

pytestmark = pytest.mark.slow
KILLS = {"child": 12, "server": 12, "worker": 6}
"""Of a killed worker nobody hears before its lease runs out, which takes the longest."""
SEEDS = 6
SECONDS = 0.06
"""A batch takes so long, and a run has 36 of them."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab.make(tmp_path)
    add_trained(made)
    made.environment |= {"SASHIKO_LEASE_SECONDS": "6", "SASHIKO_CHECKPOINT_S": "0.4"}
    yield made
    made.close()


class Server:
    """The embedded server of a lab at a port of its own, which is killed and started again."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.port = lab, str(own_port())
        self.start()

    def start(self) -> None:
        self.process = self.lab.start("launch.cli", "serve", "--port", self.port)
        end = time.monotonic() + 30
        while self.lab.sashiko("env").returncode != 0:
            assert time.monotonic() < end, "the server does not start"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def workers(command: "subprocess.Popen[str]") -> list[int]:
    return [worker for crew in children(command.pid) for worker in children(crew)]


def at_work(command: "subprocess.Popen[str]") -> list[int]:
    """The children that work on a run: of the workers' processes those that are no client's service."""
    return [pid for worker in workers(command) for pid in children(worker) if b"wandb-core" not in line(pid)]


def line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"wandb-core"


def kill_one(command: "subprocess.Popen[str]", server: Server, role: str, draw: random.Random) -> bool:
    """Kill somebody in this role; whether there was anybody."""
    if role == "server":
        server.kill()
        return True
    found = at_work(command) if role == "child" else workers(command)
    if not found or not at_work(command):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(draw.choice(found), signal.SIGKILL)
    return True


def test_nothing_is_lost_and_nothing_is_there_twice(lab: Lab):
    server, draw = Server(lab), random.Random(20)
    seeds = list(range(SEEDS))
    calm = trained_sweep(lab, "calm", str(seeds), seconds=0.0)
    done = lab.sashiko("sweep", str(calm), "--workers", "2", SASHIKO_CHECKPOINT_S="600")
    assert done.returncode == 0, done.stdout + done.stderr
    whole = {run["seed"]: run for run in runs_of(lab, sweep_path(done.stdout))}
    rough = trained_sweep(lab, "rough", str(seeds), seconds=SECONDS)
    roles = [role for role, count in KILLS.items() for _ in range(count)]
    draw.shuffle(roles)
    path, end = "", time.monotonic() + 400
    while True:
        words = ("sweep", str(rough), "--failed") if path else ("sweep", str(rough))
        command = lab.start("launch.cli", *words, "--workers", "2")
        while command.poll() is None:
            if roles and kill_one(command, server, roles[-1], draw):
                roles.pop()
            time.sleep(draw.uniform(0.3, 2.0))
            assert time.monotonic() < end, f"{len(roles)} kills are left"
        said, _ = command.communicate()
        path = path or sweep_path(said)
        if command.returncode == 0:
            break
    runs = runs_of(lab, path)
    finished = [run for run in runs if run["state"] == "finished"]
    assert sorted(run["seed"] for run in finished) == seeds, [(run["seed"], run["state"]) for run in runs]
    for run in finished:
        assert run["rows"] == whole[run["seed"]]["rows"], (run["seed"], run["id"])
        assert run["summary"] == whole[run["seed"]]["summary"]
    assert not roles, "it was over before all had been killed"
    assert asked(lab, KEPT) == [], "checkpoints of work that is done"
    server.stop()
