"""The interpreters that Sashiko says it runs on, where this machine has them or uv can fetch them."""

import configparser
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.package.building import ROOT, uv

WITHOUT = frozenset({"torch", "torchvision", "pytorch-lightning", "lightly", "torchjd"})
"""What is torch, or nothing without it: the spine, the server and the client need none of these."""
PLACES = (
    "/usr/bin/python{0}", "/usr/local/bin/python{0}", "/opt/python/*{0}*/bin/python{0}",
    "~/.local/share/uv/python/cpython-{0}.*/bin/python{0}",
)  # fmt: skip
CLASSIFIER = "Programming Language :: Python :: "
FETCH_S, LOOK_S = 300, 20


def settings() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def versions() -> list[str]:
    """The versions of Python that the package says it runs on: 3.11 and so on."""
    lines = settings()["metadata"]["classifiers"].splitlines()
    told = (line.removeprefix(CLASSIFIER) for line in lines if line.startswith(f"{CLASSIFIER}3."))
    return sorted(told, key=lambda version: int(version.partition(".")[2]))


def requirements() -> list[str]:
    """What the package needs, but for torch and what stands on it."""
    lines = settings()["options"]["install_requires"].split("\n")
    return [line for line in filter(None, lines) if name_of(line) not in WITHOUT]


def name_of(requirement: str) -> str:
    return requirement.partition(";")[0].split(">")[0].split("=")[0].split("[")[0].strip()


def find(version: str) -> Path | None:
    """An interpreter of a version on the path, of pyenv's, or where systems and uv put theirs."""
    return next((place for place in _places(version) if _is(place, version)), None)


def _places(version: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder, f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    yield from sorted(pyenv.glob(f"{version}.*/bin/python"))
    for pattern in PLACES:
        place = Path(pattern.format(version)).expanduser()
        yield from sorted(Path(place.anchor).glob(str(place.relative_to(place.anchor))))


def _is(place: Path, version: str) -> bool:
    """Whether this runs, and is what its name says; a shim of pyenv's for a version that is off does not."""
    if not place.is_file():
        return False
    code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        told = subprocess.run([place, "-c", code], capture_output=True, text=True, timeout=LOOK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.strip() == version


def fetch(version: str, folder: Path) -> Path | None:
    """An interpreter that uv fetches into a folder; None where it cannot."""
    words = [uv(), "python", "install", "--quiet", "--no-bin", "--install-dir", str(folder), version]
    try:
        done = subprocess.run(words, capture_output=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    found = sorted(folder.glob(f"cpython-{version}.*/bin/python{version}"))
    return found[0] if done.returncode == 0 and found else None


def environment_of(cache: Path) -> dict[str, str]:
    """What uv runs with: a cache that is gone afterwards, unless somebody has named one."""
    return {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", "UV_CACHE_DIR": str(cache), **os.environ}
