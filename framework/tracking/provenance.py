"""Provenance: what one needs to know about a run to do it again.

What holds for the whole process (code, its difference from the commit, packages, machine) is found out once,
before workers fork. Its long parts are an artifact that all runs of one state share, `provenance-<digest>`: the
code, the packages, their lock where it is known. Each run has a record of the rest in its config, and a file
(`record`), as every artifact has one beside its payload. Knows git, the interpreter and the machine; no tracker.
"""

import functools
import hashlib
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from framework.tracking import frozen, lock, packed

KIND = "provenance"
PACKAGES_FILE, PATCH_FILE = "packages.txt", "difference.patch"
LARGEST_PATCH = 10_000_000
SHORT = 12
MAIN = (
    "sashiko",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "lightly",
    "numpy",
    "pandas",
    "scikit-learn",
    "wandb",
)
SOURCE = ("*.py", "*.cfg", "*.toml", "*.yaml")
"""Files that git does not know yet and that belong to the difference all the same."""
VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)
"""Variables of the environment on which the last digits of a result depend."""


class Environment(NamedTuple):
    """What all processes share that run this code here: its record, all packages by version, and the patch."""

    record: dict[str, Any]
    packages: dict[str, str]
    patch: bytes
    locked: str | None = None
    code: str = ""
    """The digest of the source where no commit tells it."""

    @property
    def name(self) -> str:
        """The name of the artifact that holds code, packages and patch: by what it holds."""
        commit = str(self.record.get("git", {}).get("commit", ""))
        text = "".join(f"{name}=={version}\n" for name, version in self.packages.items())
        told = f"{text}{commit}{self.code}{' locked' if self.locked else ''}".encode()
        return f"{KIND}-{hashlib.sha256(told + self.patch).hexdigest()[:12]}"

    def write(self, folder: Path) -> None:
        """Write the source, the packages, their lock where one is known, and the patch into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{name}=={version}\n" for name, version in self.packages.items())
        (folder / PACKAGES_FILE).write_text(text, encoding="utf-8")
        code = packed.pack(home())
        if code:
            (folder / packed.FILE).write_bytes(code)
        if self.locked is not None:
            (folder / lock.FILE).write_text(self.locked, encoding="utf-8")
        if self.patch:
            (folder / PATCH_FILE).write_bytes(self.patch)


@functools.cache
def of_process() -> Environment:
    """What holds for this whole process, and for those that it forks."""
    packages = {name: one.version for name, one in lock.installed().items()}
    git, patch = _code()
    record = {
        "command": sys.orig_argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "device": _device(),
        "git": git,
        "packages": {name: packages[name] for name in MAIN if name in packages},
    }
    code = "" if packed.top_of(home()) else hashlib.sha256(packed.pack(home())).hexdigest()
    if code:
        git["source"] = code[:SHORT]
    found = Environment(record, packages, patch, lock.known(packages), code)
    record["environment"] = found.name
    return found


def _code() -> tuple[dict[str, Any], bytes]:
    """What git says of the code; of frozen code, what it said then, and under `tree` which it is.

    Nothing of a repository that only lies around it, as that of a user whose environment is in `.venv`.
    """
    record = frozen.around(home())
    if record is not None:
        return {**record.git, "tree": record.tree}, record.patch
    for place in (home(), Path(__file__).parent):
        git, patch = git_state(place) if packed.top_of(place) else ({}, b"")
        if git:
            return git, patch
    return {}, b""


def home() -> Path:
    """Where the code of the study lies: its experiments, or the framework where none are imported."""
    file = getattr(sys.modules.get("experiments"), "__file__", None)
    return Path(file).parent if file else Path(__file__).parents[1]


_stored: set[str] = set()


def mark_stored() -> None:
    """The tracker has the environment: runs of this process, and of those that it forks, need not look."""
    _stored.add(of_process().name)


def is_stored() -> bool:
    """Whether the tracker is known to have the environment of this process."""
    return of_process().name in _stored


def _device() -> dict[str, Any]:
    """Processor and accelerators, without starting any: a process that forks must not."""
    found = {"cpu": _processor(), "cores": os.cpu_count(), "accelerators": _accelerators()}
    return found | {"visible": os.environ.get("CUDA_VISIBLE_DEVICES")}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _accelerators() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    told = _run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    return told.decode(errors="replace").splitlines()


def git_state(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Commit, whether the code differs from it, and the difference as a patch; empty outside a repository.

    The patch holds what git tracks, and new source files. One of more than 10 MB is left out, and said to be.
    """
    commit = _git(folder, "rev-parse", "HEAD").decode().strip()
    if not commit:
        return {}, b""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    patch = _git(top, "diff", "HEAD", "--binary")
    new = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCE).split(b"\0")
    for file in filter(None, new):
        patch += _git(top, "diff", "--no-index", "--binary", "--", os.devnull, os.fsdecode(file), differs=True)
    state = {"commit": commit, "dirty": bool(patch), "patch_bytes": len(patch)}
    return state, patch if len(patch) <= LARGEST_PATCH else b""


def _git(folder: Path, *words: str, differs: bool = False) -> bytes:
    """What git says; nothing where it fails. `differs`: its exit code 1 means that there is a difference."""
    unseen = ("-c", "diff.autoRefreshIndex=false")  # the user's index is only read
    return _run(["git", *unseen, "-C", str(folder), *words], (0, 1) if differs else (0,))


def _run(command: list[str], good: tuple[int, ...] = (0,)) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode in good else b""


def seeds_of(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The seeds in a config, by dotted name."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= seeds_of(value, f"{prefix}{key}.")
        elif key in ("seed", "seeds") or key.endswith(("_seed", "_seeds")):
            found[f"{prefix}{key}"] = value
    return found


def record_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The record of one run with this config."""
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {**of_process().record, "variables": variables, "seeds": seeds_of(config)}
