"""Interpreters with one tested version of the `wandb` client each; `python -m tests.protocol.clients` makes them.

The newest version is the installed one; every other one lives in a virtual environment beside it.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from launch.server.clients import TESTED

FOLDER = Path(sys.prefix) / "clients"


def python_of(client: str) -> Path:
    """The interpreter that has this version of the client."""
    if client == version("wandb"):
        return Path(sys.executable)
    return FOLDER / client / "bin" / "python"


def make(client: str) -> None:
    """Make the environment of a version, unless it is there."""
    python = python_of(client)
    done = FOLDER / client / "installed"
    if python == Path(sys.executable) or done.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER / client)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"wandb=={client}", "numpy", "pillow"], check=True)
    done.touch()


if __name__ == "__main__":
    for tested in TESTED:
        make(tested)
