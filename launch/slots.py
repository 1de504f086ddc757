"""Slots: how many runs there are at a time on this machine, and which GPU each of them has to itself or shares.

A slot's worker sets its `CUDA_VISIBLE_DEVICES` before any of its processes touches a GPU, so that a run sees the
one that it has as the only one. This module imports no torch: who asks must not start CUDA.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from framework.errors import ConfigError, Problem
from launch.team import Team

VISIBLE = "CUDA_VISIBLE_DEVICES"
ALL = "all"
ASK_S = 20.0


@dataclass(frozen=True)
class Slot:
    """A place for one run. `gpu` is what `CUDA_VISIBLE_DEVICES` is to be; None leaves it as it is.

    A run of several GPUs has a process for each of those that `gpu` names, on each of its `nodes`.
    """

    gpu: str | None = None
    nodes: int = 1

    @property
    def team(self) -> Team:
        """The processes that work a point here."""
        return Team(self.nodes, len(self.gpu.split(",")) if self.gpu else 1)


def slots_of(
    workers: int | None, gpus: str = "", per_gpu: int | None = None, per_run: int | None = None
) -> list[Slot]:
    """The slots that the options mean: so many workers, or so many for each of the GPUs.

    Args:
        workers: how many runs at a time, on whatever there is.
        gpus: `all`, or the GPUs that are meant, by the numbers that they have here: `0,2`.
        per_gpu: how many runs share a GPU.
        per_run: how many GPUs a run has to itself.

    Raises:
        ConfigError: both ways are given, or a GPU is not here; with all that is wrong.
    """
    if not gpus:
        given = {"--per-gpu": per_gpu, "--gpus-per-run": per_run}
        problems = [
            Problem(name, "needs --gpus: all, or some by their numbers")
            for name, value in given.items()
            if value is not None
        ]
        if problems:
            raise ConfigError(problems)
        return [Slot()] * (workers or 1)
    if workers is not None:
        told = f"is {workers}; with --gpus there is a worker for each GPU: --per-gpu says how many"
        raise ConfigError([Problem("--workers", told)])
    if per_run is not None and per_run > 1:
        return _of_several(_chosen(gpus, gpus_here()), per_gpu or 1, per_run)
    # One run on each GPU first: where there are fewer points than slots, no GPU has two while another has none.
    return [Slot(gpu) for _ in range(per_gpu or 1) for gpu in _chosen(gpus, gpus_here())]


def _of_several(gpus: Sequence[str], per_gpu: int, per_run: int) -> list[Slot]:
    """A slot for so many GPUs each, in their order."""
    problems = []
    if per_gpu > 1:
        told = f"is {per_gpu}, and --gpus-per-run is {per_run}: a run of several GPUs has them to itself"
        problems.append(Problem("--per-gpu", told))
    if len(gpus) % per_run:
        told = (
            f"is {per_run}, and of {len(gpus)} GPUs {len(gpus) % per_run} would be idle: name those that are meant"
        )
        problems.append(Problem("--gpus-per-run", told))
    if problems:
        raise ConfigError(problems)
    return [Slot(",".join(gpus[start : start + per_run])) for start in range(0, len(gpus), per_run)]


def _chosen(text: str, here: Sequence[str]) -> Sequence[str]:
    if not here:
        told = f"is {text!r}, and this machine has no GPU that the driver knows of; leave it out to use the CPU"
        raise ConfigError([Problem("--gpus", told)])
    if text == ALL:
        return here
    numbers = [word.strip() for word in text.split(",")]
    known = [str(number) for number in range(len(here))]
    problems = [
        Problem("--gpus", f"names {number!r}; allowed: all, or of {', '.join(known)}")
        for number in dict.fromkeys(numbers)
        if number not in known
    ]
    problems += [
        Problem("--gpus", f"names {number} {count} times; how many runs share one: --per-gpu")
        for number, count in Counter(numbers).items()
        if count > 1 and number in known
    ]
    if problems:
        raise ConfigError(problems)
    return [here[int(number)] for number in numbers]


def gpus_here() -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` calls the GPUs that this process may use: those that it names, else all."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        found = [name.strip() for name in named.split(",") if name.strip()]
        return found[: found.index("-1")] if "-1" in found else found
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, text=True, capture_output=True, check=True, timeout=ASK_S).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.splitlines() if line.strip()]
