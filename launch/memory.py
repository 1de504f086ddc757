"""Whether a process was killed because memory was short. Reads what the kernel tells of this process's group."""

import os
from pathlib import Path

from framework.tracking import workplace

NEARLY = 0.9
"""A process that was killed with so much of its job's memory in use was killed for that, where nobody tells."""
GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def kills() -> int | None:
    """How many processes of this control group were killed for want of memory so far; None if nobody counts."""
    try:
        lines = GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found = _count(MOUNT / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            found = _count(MOUNT / "memory" / path.lstrip("/") / "memory.oom_control")
        else:
            continue
        if found is not None:
            return found
    return None


def _count(path: Path) -> int | None:
    try:
        words = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    return next((int(count) for name, count in words if name == "oom_kill"), None)


def was_short(before: int | None, peak_mb: float) -> bool:
    """Whether a process that was killed had too little memory.

    `before` is what `kills` told before it began, `peak_mb` the most that it used, in units of 2^20 bytes.
    """
    now = kills()
    if before is not None and now is not None and now > before:
        return True
    asked = workplace.here().get("memory_mb") if workplace.job_id(os.environ) is not None else None
    return asked is not None and peak_mb >= NEARLY * asked
