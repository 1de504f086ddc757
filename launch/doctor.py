"""sashiko doctor: what this machine, this environment and this tracker are, and what is wrong with them."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import requests
import typer

from framework.errors import SashikoError
from framework.tracking import lock
from framework.tracking.tracker import Tracker
from launch import clocks, installed, slurm
from launch.choice import configured_tracker
from launch.embedded import find_server, find_starting, is_here
from launch.finding import Finding, bad, clock
from launch.slots import VISIBLE, gpus_here

SHORT_OF_SPACE = 2e9
REACH_S = 5.0
SERVER_FAILS = 500
INSTALL = "install Sashiko again: pip install sashiko-….whl, or make install in its source"


def examine(directory: Path, *, embedded: bool = False, profile: str = "") -> list[Finding]:
    """Look at everything; nothing is started or changed. With a `profile` of a cluster also from one of its nodes.

    Raises:
        ConfigError: there is no such profile, or it is invalid.
        ClusterError: with a profile: Slurm refuses the job.
        TrackerError: with a profile: no tracker is there that a node could reach.
    """
    found = [*_versions(), *_device(), *_cluster(), *_folder(directory), *_tracker(directory, embedded)]
    if profile:
        from launch import node_check

        found += node_check.examine(directory, profile, embedded=embedded)
    return found


def show(found: Sequence[Finding]) -> None:
    """Print the report."""
    width = max(len(item.what) for item in found)
    for item in found:
        typer.echo(f"{'ok ' if item.good else '!! '} {item.what:<{width}}  {item.told}")
        if item.mend:
            typer.echo(f"    {'':<{width}}  → {item.mend}")


def _versions() -> Iterator[Finding]:
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for name in ("sashiko", "torch", "pytorch-lightning", "optuna", "submitit"):
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield bad(name, "is not installed", INSTALL)
    yield from installed.findings()
    yield _lock()
    client = importlib.metadata.version("wandb")
    if not is_here():
        yield Finding("wandb", client)
        return
    from launch.server.clients import NEWEST, OLDEST, TESTED, verdict

    mend = "" if client in TESTED else f"pip install wandb=={NEWEST}"
    yield Finding("wandb", verdict(client), good=client in TESTED, mend=mend)
    yield Finding("tested clients", f"{OLDEST} to {NEWEST}: {', '.join(TESTED)}")


def _lock() -> Finding:
    """Whether a run of now could be done again with the same files of every package."""
    if lock.known({name: one.version for name, one in lock.installed().items()}) is not None:
        return Finding("lock", "what is installed is locked: `rerun --fresh` installs the same files")
    return Finding(
        "lock", "what is installed is not locked", mend="sashiko lock, where a package index can be reached"
    )


def _device() -> Iterator[Finding]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("CPU", f"{cores} cores for this process, {torch.get_num_threads()} threads in torch")
    yield _gpus(gpus_here(), os.environ.get(VISIBLE))


def _gpus(known: Sequence[str], visible: str | None) -> Finding:
    """The GPUs: those that the driver `known` has, and `CUDA_VISIBLE_DEVICES`, beside those that torch can use."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("GPU", f"{len(names)}: {', '.join(sorted(set(names)))}")
    driver = shutil.which("nvidia-smi") is not None
    if visible is not None and not known:
        told = f"hidden: {VISIBLE} is {visible!r}"
        mend = f"unset {VISIBLE}, or name some, as in 0,1; within a Slurm job: gpus = 1 in its profile"
        return Finding("GPU", told, good=not driver, mend=mend if driver else "")
    if known and driver:
        wrong = (
            "was built without CUDA"
            if torch.version.cuda is None
            else f"(CUDA {torch.version.cuda}) cannot use it"
        )
        told = f"the driver knows of {len(known)}, but torch {torch.__version__} {wrong}"
        mend = (
            "install a build of torch for the driver's CUDA: https://pytorch.org/get-started; nvidia-smi names it"
        )
        return bad("GPU", told, mend)
    return Finding("GPU", "none that torch can use; runs will be on the CPU")


def _cluster() -> Iterator[Finding]:
    """What the cluster is that jobs can be submitted to from here; nothing, where there is none."""
    if shutil.which("sbatch") is None:
        return
    try:
        facts = slurm.facts()
        partitions = slurm.call("sinfo", "--noheader", "--format=%P %D %t").splitlines()
        nodes = slurm.call("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines()  # one a partition
    except SashikoError as error:
        mend = "its controller has to answer here: look at SLURM_CONF, or submit from a login node"
        yield bad("Slurm", str(error), mend)
        return
    shown = ", ".join(f"{name} ({count} {state})" for name, count, state in (line.split() for line in partitions))
    yield Finding("Slurm", f"{facts.get('SLURM_VERSION', '?')}: {shown or 'no partition'}", good=bool(shown))
    keeps = "none" not in facts.get("AccountingStorageType", "none")
    told = f"arrays of {facts.get('MaxArraySize', '?')}, preemption {facts.get('PreemptMode', '?')}"
    yield Finding("its rules", f"{told}, {'with' if keeps else 'without'} accounting")
    down = {name for name, state in map(str.split, nodes) if state.startswith(("down", "drain"))}
    if down:
        mend = "sinfo -R tells why; jobs wait meanwhile with the reason ReqNodeNotAvail or Resources"
        yield Finding("its nodes", f"{len(down)} down or drained: {', '.join(sorted(down))}", mend=mend)


def _folder(directory: Path) -> Iterator[Finding]:
    place = directory if directory.exists() else Path()
    if is_here():
        yield _file_system(place)
    free = shutil.disk_usage(place).free
    good = free > SHORT_OF_SPACE
    mend = "" if good else "free some, or give --dir on another disk; `sashiko serve prune` frees what was deleted"
    yield Finding("free space", f"{free / 1e9:.1f} GB in {place.resolve()}", good=good, mend=mend)


def _file_system(place: Path) -> Finding:
    from launch.server import mounts

    kind = mounts.kind_of(place)
    if kind in mounts.NETWORK:
        told = f"{kind}: the embedded server cannot live on a network file system"
        return bad("file system", told, "give --dir on a local disk")
    return Finding("file system", kind or "unknown")


def _embedded(directory: Path) -> Finding:
    what = "embedded server"
    if not is_here():
        return Finding(what, "is no part of this installation: it needs another W&B server")
    info = find_server(directory)
    found = find_starting(directory) if info is None else None
    if found is not None:
        return Finding(what, f"pid {found.pid} {found.told}; until then none answers in {directory}")
    if info is None:
        return Finding(what, f"none runs in {directory}; `sashiko sweep` starts one where it is needed")
    return Finding(what, f"{info.url} (pid {info.pid}), serving {directory}")


def _tracker(directory: Path, embedded: bool) -> Iterator[Finding]:
    yield _embedded(directory)
    try:
        found = configured_tracker(embedded=embedded)
    except SashikoError as error:
        yield bad("tracker", str(error), "wandb login, or set WANDB_BASE_URL and WANDB_API_KEY together")
        return
    if found is not None:
        yield from _answers(found)
    elif is_here():
        yield Finding("tracker", "the embedded server of this folder: no other one is configured")
        info = find_server(directory)
        if info is not None:
            yield from _key_and_clock(Tracker(info.url, info.key))
    else:
        yield bad("tracker", "none is configured", "set WANDB_BASE_URL and WANDB_API_KEY, or run `wandb login`")


def _answers(tracker: Tracker) -> Iterator[Finding]:
    try:
        code = requests.get(tracker.url, timeout=REACH_S).status_code
    except requests.RequestException as error:
        mend = f"curl {tracker.url} from here; look at WANDB_BASE_URL, or start it: sashiko serve"
        yield bad("tracker", f"{tracker.url} cannot be reached: {type(error).__name__}", mend)
        return
    mend = "" if code < SERVER_FAILS else "its log tells more; try again in some minutes"
    yield Finding("tracker", f"{tracker.url} answers ({code})", good=not mend, mend=mend)
    yield from _key_and_clock(tracker)


def _key_and_clock(tracker: Tracker) -> Iterator[Finding]:
    try:
        yield Finding("key", f"is that of {replace(tracker, patience_s=REACH_S).check()}")
    except SashikoError as error:
        yield bad("key", str(error), "wandb login, or set WANDB_API_KEY")
    mend = "set the clocks by NTP: timedatectl set-ntp true; times and ages of runs are off by as much"
    yield clock("clock", clocks.ahead_of(tracker.url), "the tracker's", mend)
