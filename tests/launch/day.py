"""An experiment whose runs and requirements end as a test wishes, and the words of a researcher's day with it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launch.server import find_server
from tests.lab import LEASE, Lab, own_port

WAIT_S = 60.0
MANAGER = """
import os, time
from pathlib import Path
import numpy as np, pandas as pd
from framework.config import Config, replicate
from framework.manager import Manager
from framework.plan import RUN, Work

FACTOR = 1
HERE = Path(os.environ["DAY"])


def told(word):
    with (HERE / "told.txt").open("a") as file:
        file.write(word + "\\n")


def held(name):
    told("held " + name)
    while (HERE / name).exists():
        time.sleep(0.05)


class Thing(Config):
    size: int = 1


class DayConfig(Config):
    thing: Thing = Thing()
    x: float = 0
    loss: float = 0.5
    flag: int | bool = 0
    seed: int = replicate(0, description="seed")


class Day(Manager[DayConfig]):
    config = DayConfig

    def requires(self, kind, config):
        return [Work("thing", config.thing)] if kind == RUN and config.thing.size else []

    def make(self, kind, config, run):
        told("making")
        for part in range(2):
            run.log({"part": part})
        held("hold-making")
        if not (HERE / "data").exists():
            raise FileNotFoundError("there is no data")
        folder = run.folder / "thing"
        folder.mkdir()
        np.savez(folder / "thing.npz", a=np.full(config.size, FACTOR))
        run.log_artifact(kind, config, folder)

    def run(self, config, run):
        total = 0
        if config.thing.size:
            with np.load(run.require("thing", config.thing) / "thing.npz") as file:
                total = int(file["a"].sum())
        for epoch in range(3):
            run.log({"epoch": epoch})
        print("a line of", config.x, flush=True)
        held(f"hold-{config.x:g}")
        told(f"ran {config.x:g}")
        run.summarise({"loss": total + FACTOR * config.x, "state": "from the summary"})
        run.log_table("results", pd.DataFrame({"x": [config.x], "value": [total + FACTOR * config.x]}))
"""


class Day:
    """One lab, with files that its runs look at: `data` lets things be made, `hold-…` holds back."""

    def __init__(self, folder: Path) -> None:
        self.lab = Lab.make(folder)
        self.lab.add_experiment("day", "manager:Day", {"manager.py": MANAGER})
        self.here = folder / "day"
        self.here.mkdir()
        (self.here / "tmp").mkdir()
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        self.lab.environment |= {
            "DAY": str(self.here), "SASHIKO_LEASE_SECONDS": LEASE, "TMPDIR": str(self.here / "tmp"),
        }  # fmt: skip
        self.touch("data")
        self._server: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """Stop the server."""
        self.lab.close()
        if self._server is not None:
            self._server.communicate(timeout=WAIT_S)

    def touch(self, *names: str) -> None:
        for name in names:
            (self.here / name).touch()

    def free(self, *names: str) -> None:
        for name in names:
            (self.here / name).unlink(missing_ok=True)

    def told(self, word: str) -> int:
        """How often the runs have told this word."""
        file = self.here / "told.txt"
        return file.read_text().splitlines().count(word) if file.exists() else 0

    def change(self, old: str, new: str) -> None:
        """Change the code of the experiment."""
        file = self.lab.folder / "experiments" / "day" / "manager.py"
        text = file.read_text()
        if old not in text:
            raise ValueError(f"{old!r} is not in the experiment")
        file.write_text(text.replace(old, new))

    def file(self, parameters: str, name: str = "day", more: str = "") -> str:
        path = self.lab.folder / f"{name}.yaml"
        path.write_text(
            f"name: {name}\nproject: day\nmethod: grid\n{more}"
            'command: ["${env}", "python", "-m", "experiments", "day"]\n'
            f"parameters: {parameters}\n"
        )
        return str(path)

    def sweep(self, file: str, *words: str, workers: int = 2) -> "subprocess.CompletedProcess[str]":
        return self.lab.sashiko("sweep", file, "--workers", str(workers), *words)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """A command in a process group of its own, as a terminal has it."""
        return subprocess.Popen(
            [sys.executable, "-m", "launch.cli", *words], cwd=self.lab.folder, env=self.lab.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def interrupt(self, process: "subprocess.Popen[str]") -> str:
        """Ctrl-C, for the whole group; what the command said."""
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=WAIT_S)
        return said

    def kill_server(self) -> None:
        """End the embedded server as a power cut does."""
        info = find_server(self.lab.folder / ".sashiko")
        if info is None:
            raise RuntimeError("no server runs")
        self._port = info.url.rsplit(":", 1)[1]
        os.kill(info.pid, signal.SIGKILL)
        if self._server is not None:
            self._server.communicate(timeout=WAIT_S)
        until(lambda: find_server(self.lab.folder / ".sashiko") is None, "the server is gone")

    def serve(self) -> None:
        """Start the server, at a port that no other test takes while it is down."""
        self._port = str(own_port())
        self.start_server()

    def start_server(self) -> None:
        """Start the server that was killed, at the same address."""
        self._server = self.lab.start("launch.cli", "serve", "--port", self._port)
        until(lambda: find_server(self.lab.folder / ".sashiko") is not None, "the server is back")

    def client(self, code: str) -> Any:
        """What `code`, run with the real client, prints last, as JSON."""
        exports = dict(re.findall(r"export (\w+)=(\S+)", self.lab.sashiko("env").stdout))
        done = subprocess.run(
            [sys.executable, "-c", f"import json, wandb\napi = wandb.Api()\n{code}"], cwd=self.lab.folder,
            env=self.lab.environment | exports | {"WANDB_SILENT": "true", "TMPDIR": str(self.elsewhere)},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def cancel(self, sweep: str) -> None:
        """`wandb sweep --cancel`."""
        exports = dict(re.findall(r"export (\w+)=(\S+)", self.lab.sashiko("env").stdout))
        subprocess.run(
            [sys.executable, "-m", "wandb", "sweep", "--cancel", sweep], cwd=self.lab.folder,
            env=self.lab.environment | exports | {"TMPDIR": str(self.elsewhere)}, capture_output=True, check=True,
        )  # fmt: skip

    def runs(self) -> list[dict[str, Any]]:
        """The points' runs as the public API sees them, oldest first."""
        return list(
            self.client(
                "rows = [dict(id=r.id, name=r.name, state=r.state, config=r.config,\n"
                "  summary=r.summary._json_dict, sweep=r.sweep.id if r.sweep else None, job=r.job_type,\n"
                "  steps=[h['_step'] for h in r.scan_history()]) for r in\n"
                "  api.runs('local/day', order='+created_at', lazy=False)]\n"
                "print(json.dumps([r for r in rows if r['job'] == 'run']))"
            )
        )


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.05)


def sweep_of(text: str) -> str:
    """The path of the sweep that a command speaks of."""
    found = re.search(r"\b(local/day/\w+)", text)
    if found is None:
        raise ValueError(text)
    return found[1]
