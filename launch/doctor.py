"""sashiko doctor: what this machine, this environment and this tracker are, and what is wrong with them."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from framework.errors import SashikoError
from launch.choice import configured_tracker
from launch.embedded import find_server, is_here

SHORT_OF_SPACE = 2e9
REACH_S = 5.0
NO_TRACKER = "none is configured: set WANDB_BASE_URL and WANDB_API_KEY, or run `wandb login`"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    told: str
    good: bool = True


def examine(directory: Path, *, embedded: bool = False) -> list[Finding]:
    """Look at everything; nothing is started or changed."""
    return [*_versions(), *_device(), *_folder(directory), *_tracker(directory, embedded)]


def _versions() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for name in ("sashiko", "torch", "pytorch-lightning", "optuna", "submitit"):
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "is not installed: pip install --editable .", good=False)
    client = importlib.metadata.version("wandb")
    if not is_here():
        yield Finding("wandb", client)
        return
    from launch.server.clients import NEWEST, OLDEST, TESTED, verdict

    yield Finding("wandb", verdict(client), good=client in TESTED)
    yield Finding("tested clients", f"{OLDEST} to {NEWEST}: {', '.join(TESTED)}")


def _device() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("CPU", f"{cores} cores for this process, {torch.get_num_threads()} threads in torch")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Finding("GPU", f"{len(names)}: {', '.join(sorted(set(names)))}")
    else:
        yield Finding("GPU", "none that torch can use; runs will be on the CPU")


def _folder(directory: Path) -> Iterator[Finding]:
    place = directory if directory.exists() else Path()
    if is_here():
        yield _file_system(place)
    free = shutil.disk_usage(place).free
    yield Finding("free space", f"{free / 1e9:.1f} GB in {place.resolve()}", good=free > SHORT_OF_SPACE)


def _file_system(place: Path) -> Finding:
    from launch.server import mounts

    kind = mounts.kind_of(place)
    if kind in mounts.NETWORK:
        told = f"{kind}: the embedded server cannot live on a network file system; give --dir on a local disk"
        return Finding("file system", told, good=False)
    return Finding("file system", kind or "unknown")


def _embedded(directory: Path) -> Finding:
    what = "embedded server"
    if not is_here():
        return Finding(what, "is no part of this installation: it needs another W&B server")
    info = find_server(directory)
    if info is None:
        return Finding(what, f"none runs in {directory}; `sashiko sweep` starts one where it is needed")
    return Finding(what, f"{info.url} (pid {info.pid}), serving {directory}")


def _tracker(directory: Path, embedded: bool) -> Iterator[Finding]:
    yield _embedded(directory)
    try:
        found = configured_tracker(embedded=embedded)
    except SashikoError as error:
        yield Finding("tracker", str(error), good=False)
        return
    if found is None:
        told = "the embedded server of this folder: no other one is configured"
        yield Finding("tracker", told if is_here() else NO_TRACKER, good=is_here())
        return
    try:
        code = requests.get(found.url, timeout=REACH_S).status_code
        yield Finding("tracker", f"{found.url} answers ({code})", good=code < 500)
    except requests.RequestException as error:
        yield Finding("tracker", f"{found.url} cannot be reached: {type(error).__name__}", good=False)
