"""Where a run is worked on, and what that took: host, process, GPU and job, processors and memory.

Every process that works on a run leaves both with it: the place in its config when it begins, what it used in its
summary when it ends. So whoever asks needs nothing but the tracker. Reads what the system and the scheduler have
put into the environment; asks neither, and knows no sweep.
"""

import os
import re
import resource
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USED = "_used"
"""The key of the summary: one record for each process that worked on the run, oldest first."""
ALONE = "SASHIKO_BIGGER"
"""Set where a job works one point that its tracker does not hand out: who goes on with it has to ask for it."""
SAMPLES = "SASHIKO_GPU_SAMPLES"
"""Names the file into which the process's worker writes samples of its GPU, `percent, MiB` a line."""
_KILO = 1 if sys.platform == "darwin" else 1024


def here() -> dict[str, Any]:
    """This process's place; what is not known is not there.

    `host`, `process`, `gpu` (as `CUDA_VISIBLE_DEVICES` has it), `cpus` and `memory_mb` (of the job, or of the
    machine, in units of 2^20 bytes); within a Slurm job also `job` (`12_3` for one of an array) and `attempt`, how
    often the job has begun; `alone` in one that is there for the point alone.
    """
    job = job_id(os.environ)
    found = {
        "host": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "process": os.getpid(),
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "cpus": _number("SLURM_CPUS_PER_TASK") or _number("SLURM_CPUS_ON_NODE") or _cores(),
        "memory_mb": _memory_mb(),
    }
    if job is not None:
        found |= {"job": job, "attempt": 1 + (_number("SLURM_RESTART_COUNT") or 0)}
        found |= {"alone": True} if os.environ.get(ALONE) else {}
    return {name: value for name, value in found.items() if value is not None}


def job_id(environment: Mapping[str, str]) -> str | None:
    """The Slurm job that a process with this environment is part of, as `squeue` calls it; None outside one."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID")


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else None


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_mb() -> int | None:
    """The memory of the job, or of the machine outside one; None where it is not told."""
    of_node = _number("SLURM_MEM_PER_NODE")
    each, cpus = _number("SLURM_MEM_PER_CPU"), _number("SLURM_CPUS_ON_NODE")
    if of_node or (each and cpus):
        return of_node or (each or 0) * (cpus or 0)
    if job_id(os.environ) is not None:
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (ValueError, OSError):
        return None


class Meter:
    """What this process uses from now on, as far as the system counts it."""

    def __init__(self, together: int = 1) -> None:
        """`together`: how many runs this process works at once."""
        self._begun, self._together = time.monotonic(), together

    def read(self) -> dict[str, Any]:
        """The record to leave: the place, and what was used there.

        `seconds`, `cpu_seconds`, and `peak_memory_mb`: of this process and the largest one that it started and
        that has ended. In a Slurm job `job_memory_mb`: that and what all other processes of the job have now; what
        several share is counted once. Of several runs that this process works at once each has the whole, and
        `together`, how many they are. With a GPU `peak_gpu_memory_mb` (of torch) and `gpu_percent`, the mean of
        the samples.
        """
        own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        used = usage(own)
        used["cpu_seconds"] = round(used["cpu_seconds"] + usage(others)["cpu_seconds"], 3)
        used["peak_memory_mb"] = round(used["peak_memory_mb"] + usage(others)["peak_memory_mb"], 1)
        others_mb = _others_mb()
        if others_mb is not None:
            used["job_memory_mb"] = round(used["peak_memory_mb"] - _shared_mb() + others_mb, 1)
        seconds = round(time.monotonic() - self._begun, 3)
        several = {"together": self._together} if self._together > 1 else {}
        return {**here(), "seconds": seconds, **used, **several, **_of_gpu()}


def usage(told: resource.struct_rusage) -> dict[str, float]:
    """CPU seconds and peak memory (2^20 bytes) as the system counts them for a process."""
    peak = told.ru_maxrss * _KILO / 2**20
    return {"cpu_seconds": round(told.ru_utime + told.ru_stime, 3), "peak_memory_mb": round(peak, 1)}


def _others_mb() -> float | None:
    """The memory of all other processes of this Slurm job on this machine; None outside one, or if not told."""
    job, total, own = os.environ.get("SLURM_JOB_ID"), 0, str(os.getpid())
    if job is None or not Path("/proc/self/smaps_rollup").exists():
        return None
    mark = f"SLURM_JOB_ID={job}".encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or place.name == own:
            continue
        try:
            if mark in (place / "environ").read_bytes().split(b"\0"):
                total += _kb(place, "Pss")
        except OSError:  # somebody else's, or over
            continue
    return total / 2**10


def _shared_mb() -> float:
    """What this process has that counts among others that have it too."""
    try:
        own = Path("/proc/self")
        return max(0.0, (_kb(own, "Rss") - _kb(own, "Pss")) / 2**10)
    except OSError:
        return 0.0


def _kb(place: Path, name: str) -> int:
    """The memory of a process in units of 2^10 bytes: `Rss`, or `Pss`, with its part only of what is shared."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", (place / "smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def _of_gpu() -> dict[str, float]:
    found = {}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks = [torch.cuda.max_memory_reserved(index) for index in range(torch.cuda.device_count())]
        found["peak_gpu_memory_mb"] = round(sum(peaks) / 2**20, 1)
    percents = samples(Path(os.environ.get(SAMPLES, "")))
    if percents:
        found["gpu_percent"] = round(sum(percents) / len(percents), 1)
    return found


def samples(path: Path) -> list[float]:
    """How busy the GPU was, in percent, at each look; none where nobody looked."""
    if not path.is_file():
        return []
    words = [line.partition(",")[0].strip() for line in path.read_text(errors="replace").splitlines()]
    return [float(word) for word in words if word.replace(".", "", 1).isdigit()]
