"""A scratch project with an experiment of the test's own, and the commands that run in it.

The experiment is added the way a user adds one: a folder in `experiments/` and a line in `EXPERIMENTS`, in a
copy of the package that comes first on the path.
"""

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import experiments

ROOT = Path(__file__).parent.parent
COMMAND_S = 240.0
LEASE = "10"
"""Seconds after which a dead worker's point is free; twice the time between two heartbeats of a living one."""


def own_port() -> int:
    """A port to start a server at again: below those that the system gives to whoever asks for any."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass
class Lab:
    """A scratch folder to run commands in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Lab":
        """An empty project with its own client, cache and server folders, and no account."""
        shutil.copytree(
            Path(experiments.__file__).parent, folder / "experiments", ignore=shutil.ignore_patterns("__pycache__")
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "SASHIKO_LEASE"))}
        environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "HOME": str(folder),
            "NETRC": str(folder / "netrc"),
            "SASHIKO_CACHE": str(folder / "cache"),
            "WANDB_CACHE_DIR": str(folder / "wandb-cache"),
            "WANDB_CONFIG_DIR": str(folder / "wandb-config"),
            "WANDB_DATA_DIR": str(folder / "wandb-data"),
            "WANDB_ERROR_REPORTING": "false",
        }
        return cls(folder, environment)

    def add_experiment(self, name: str, manager: str, files: Mapping[str, str]) -> None:
        """Add `experiments/<name>/` and its line; `manager` is `module:Class` inside that folder."""
        package = self.folder / "experiments"
        (package / name).mkdir()
        (package / name / "__init__.py").write_text("")
        for file, text in files.items():
            (package / name / file).write_text(text)
        init = package / "__init__.py"
        line = f'EXPERIMENTS = {{\n    "{name}": "experiments.{name}.{manager}",\n'
        init.write_text(init.read_text().replace("EXPERIMENTS = {\n", line))

    def start(self, *words: str, **extra: str) -> "subprocess.Popen[str]":
        """Start `python -m <words>` in the folder."""
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=self.folder, env=self.environment | extra, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, *words: str, timeout_s: float = COMMAND_S, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Run `python -m <words>` in the folder to its end."""
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=self.folder, env=self.environment | extra, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def sashiko(
        self, *words: str, timeout_s: float = COMMAND_S, **extra: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a `sashiko` command in the folder."""
        return self.call("launch.cli", *words, timeout_s=timeout_s, **extra)

    def close(self) -> None:
        """Stop the embedded server of the folder, if one runs."""
        self.sashiko("serve", "--stop")


QUICK = """
import os, signal, sys, time
from pathlib import Path
from framework.config import Config, replicate
from framework.errors import ConfigError, Problem
from framework.manager import Manager


class QuickConfig(Config):
    x: int = 0
    y: float = 0.5
    label: str | None = None
    mood: str = "well"
    seconds: float = 0.0
    seed: int = replicate(0, description="seed")


class Quick(Manager[QuickConfig]):
    config = QuickConfig

    def run(self, config, run):
        time.sleep(config.seconds)
        while "QUICK_HOLD" in os.environ and Path(os.environ["QUICK_HOLD"]).exists():
            time.sleep(0.05)
        if config.mood == "raises":
            raise ValueError(f"x is {config.x}")
        if config.mood == "flaky" and not (seen := Path(os.environ["HOME"]) / f"flaky-{config.x}").exists():
            seen.touch()
            raise OSError("the disk was away")
        if config.mood == "hungry" and int(os.environ["SLURM_MEM_PER_NODE"]) < 700:
            held = bytearray(600 * 2**20)
            os.kill(os.getpid(), signal.SIGKILL)
        if config.mood == "picky" and os.environ["SLURMD_NODENAME"] == "node2":
            raise OSError("this node has a broken disk")
        if config.mood == "greedy":
            raise MemoryError("no room for the batch")
        if config.mood == "wrong":
            raise ConfigError([Problem("x", f"is {config.x}, which is out of fashion")])
        if config.mood == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if config.mood == "exits":
            os._exit(7)
        run.summarise({"gpu": os.environ.get("CUDA_VISIBLE_DEVICES", "none"), "pid": os.getppid()})
        run.log({"loss": config.x * config.y, "accuracy": 1 - config.y, "step": config.x})
"""


def add_quick(lab: Lab) -> None:
    """An experiment that logs three numbers, or dies in the way that its config asks for.

    Its runs wait for as long as the file `QUICK_HOLD` is there, where the environment names one.
    """
    lab.add_experiment("quick", "manager:Quick", {"manager.py": QUICK})


def quick_sweep(lab: Lab, name: str, parameters: str) -> Path:
    """A sweep file of the quick experiment; `parameters` is the YAML of its axes, in flow style."""
    path = lab.folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nproject: lab\nmethod: grid\n"
        'command: ["${env}", "python", "-m", "experiments", "quick"]\n'
        f"parameters: {parameters}\n"
    )
    return path
