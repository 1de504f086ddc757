"""Environments that have the wheel, and the commands in them, in a folder that has nothing of the source tree."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.package.building import call, uv
from tests.protocol.clients import SEEN, packages_of

COMMAND_S = 280.0


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    prefix: Path

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return next(self.prefix.glob("lib/python*/site-packages"))

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    def install(self, *words: str | Path) -> None:
        """Install with uv, from what is on this machine."""
        given = list(map(str, words))
        call([uv(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(self.python), *given],
             self.prefix)  # fmt: skip

    def uninstall(self, name: str) -> None:
        call([uv(), "pip", "uninstall", "--quiet", "--python", str(self.python), name], self.prefix)

    def call(self, folder: Path, *words: str | Path, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the environment in a folder, with an empty home and no account."""
        left_out = ("WANDB", "SASHIKO", "PYTHON")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        own = {
            "PATH": f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder),
            "NETRC": str(folder / "netrc"), "SASHIKO_CACHE": str(folder / "cache"),
            "WANDB_CACHE_DIR": str(folder / "wandb-cache"), "WANDB_CONFIG_DIR": str(folder / "wandb-config"),
            "WANDB_DATA_DIR": str(folder / "wandb-data"), "WANDB_ERROR_REPORTING": "false",
        }  # fmt: skip
        return subprocess.run(
            [self.prefix / "bin" / words[0], *words[1:]], cwd=folder, env=kept | own | extra, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    def sashiko(self, folder: Path, *words: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        return self.call(folder, "sashiko", *words, **extra)


def make(folder: Path, *, seen: bool = True, python: str = sys.executable) -> Environment:
    """An environment; `seen`: it finds what it has not itself in the installed packages, but for this project."""
    call([uv(), "venv", "--quiet", "--offline", "--python", python, str(folder)], folder.parent)
    made = Environment(folder)
    if seen:
        (made.packages / SEEN).write_text(f"{packages_of(Path(sys.prefix))}\n")
    return made


def distribution(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """A wheel with these files."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD")))
    return path
