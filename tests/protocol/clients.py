"""Interpreters with one tested version of the `wandb` client each; `python -m tests.protocol.clients` makes them.

The newest version is the installed one. Every other one lives in a virtual environment beside it, which has the
client with what the client needs, and sees everything else (torch, Lightning, numpy) in the installed packages.
"""

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from launch.server.clients import NEWEST, TESTED

FOLDER = Path(sys.prefix) / "clients"
SEEN = "behind_the_client.pth"
"""A file of this name adds the installed packages at the end of the path: what the client brought comes first."""
RECIPE = "venv; pip install wandb=={client}; then {installed}\n"
"""How an environment is made; one that was made in another way is made again."""


@dataclass(frozen=True)
class Client:
    """One version of the client."""

    version: str
    python: Path

    @property
    def is_newest(self) -> bool:
        return self.version == NEWEST


def client_of(tested: str) -> Client:
    """The client of a version; its environment is made if there is none."""
    make(tested)
    return Client(tested, python_of(tested))


def python_of(client: str) -> Path:
    """The interpreter that has this version of the client."""
    if client == version("wandb"):
        return Path(sys.executable)
    return FOLDER / client / "bin" / "python"


def packages_of(prefix: Path) -> Path:
    """Where the packages of an environment lie."""
    return Path(sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)}))


def make(client: str) -> None:
    """Make the environment of a version, unless it is there."""
    python, installed = python_of(client), packages_of(Path(sys.prefix))
    done = FOLDER / client / "installed"
    recipe = RECIPE.format(client=client, installed=installed)
    if python == Path(sys.executable) or (done.exists() and done.read_text() == recipe):
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / client)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"wandb=={client}"], check=True)
    (packages_of(FOLDER / client) / SEEN).write_text(f"{installed}\n")
    done.write_text(recipe)


if __name__ == "__main__":
    for tested in TESTED:
        make(tested)
