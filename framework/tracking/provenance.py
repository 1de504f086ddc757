"""Provenance: what one needs to know about a run to do it again.

Written as TOML beside every artifact's payload. Knows git, the interpreter and the machine; no tracker.
"""

import functools
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

PACKAGES = (
    "sashiko",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "numpy",
    "pandas",
    "scikit-learn",
    "wandb",
)


@functools.cache
def of_process() -> dict[str, Any]:
    """What holds for the whole process: code, interpreter, packages and host."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": sys.orig_argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "git": git_state(Path(__file__).parent),
        "packages": versions,
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit and dirtiness of the code in `folder`; empty outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def write(path: Path, *, config: dict[str, Any], inputs: dict[str, str], **facts: Any) -> None:
    """Write `provenance.toml`: the resolved config, the digests of inputs, and the facts of the process."""
    record = {
        "created": datetime.now(UTC).replace(microsecond=0),
        **facts,
        **of_process(),
        "inputs": inputs,
        "config": config,
    }
    path.write_text(tomli_w.dumps(_without_none(record)), encoding="utf-8")


def _without_none(value: Any) -> Any:
    """TOML has no null: a missing key says the same."""
    if isinstance(value, dict):
        return {str(key): _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value if item is not None]
    return value
