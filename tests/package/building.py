"""A copy of the source tree, and the wheel and the sdist that are built of it; no index is asked."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from framework.tracking.lock import find_uv

ROOT = Path(__file__).parents[2]
BUILD_S = 240


@dataclass(frozen=True)
class Built:
    """What a tree became."""

    wheel: Path
    sdist: Path


def tracked() -> list[str]:
    """What git tracks of this tree, or would track."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(told.split("\0")) if name and (ROOT / name).is_file())


def copy(folder: Path, umask: int = 0o022) -> Path:
    """The tree in a folder of its own, as a checkout with this umask would leave it."""
    for name in tracked():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod((0o777 if os.access(ROOT / name, os.X_OK) else 0o666) & ~umask)
    return folder


def build(tree: Path, to: Path, umask: int = 0o022, **extra: str) -> Built:
    """The sdist of a tree, and the wheel of the sdist, as `python -m build` makes them."""
    call([uv(), "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(to)],
         tree, umask, **extra)  # fmt: skip
    return Built(*to.glob("*.whl"), *to.glob("*.tar.gz"))


def build_wheel(tree: Path, to: Path, umask: int = 0o022) -> Path:
    """The wheel of a tree, as `pip wheel .` makes it."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    call([*pip, "--wheel-dir", str(to), "."], tree, umask)
    (wheel,) = to.glob("*.whl")
    return wheel


def call(words: list[str], folder: Path, umask: int = -1, **extra: str) -> str:
    """What a command says that has to end well."""
    done = subprocess.run(
        words, cwd=folder, env=os.environ | extra, umask=umask, capture_output=True, text=True, timeout=BUILD_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def uv() -> str:
    """The command uv, which is one of the development tools."""
    found = find_uv()
    assert found is not None, "pip install -e '.[dev]'"
    return found
