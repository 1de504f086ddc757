"""A point for which a job had too little memory: once more, in a job of its own that asks for more.

The job that failed submits it. The point is worked there without being handed out: whoever else is free in the
sweep has no more memory than the one that failed.
"""

import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from framework.errors import ClusterError
from framework.plan import Point
from framework.tracking import workplace
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import direct, slurm
from launch.profile import Profile

FACTOR = 1.5
VARIABLE = "SASHIKO_REQUEST"
"""The file that tells a job what it was submitted with."""
BIGGER = workplace.ALONE
"""Set in a job that has more memory already."""
_started_with: dict[str, str] = {}


def write(request: slurm.Request) -> Path:
    """Write down what a job is submitted with, for the case that it needs more; the file."""
    path = request.place / f"request-{request.profile.config_id}.json"
    data = {"profile": request.profile.model_dump(mode="json"), "folder": str(request.folder.resolve())}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def can_ask(environment: Mapping[str, str]) -> bool:
    """Whether this process is part of a job that may submit a bigger one."""
    return bool(environment.get(VARIABLE)) and not environment.get(BIGGER)


def ask(tracker: Tracker, path: SweepPath, point: Point) -> str:
    """Submit a job with more memory for a point; a sentence that says which.

    Raises:
        ClusterError: it cannot be submitted from here.
    """
    try:
        data = json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClusterError(f"{VARIABLE} cannot be read: {error}") from error
    small = Profile.parse(data["profile"])
    memory_gb = FACTOR * small.memory_gb
    profile = small.model_copy(update={"memory_gb": memory_gb, "workers": 1, "gpus": _gpus(small)})
    run_id = secrets.token_hex(4)
    words = (*_words(path, small), "--point", str(point.index), "--run", run_id)
    request = slurm.Request(
        path, profile, 1, Path(data["folder"]), command=words, variables={BIGGER: "1"},
        remark=direct.remark(point.config_id, run_id),
    )  # fmt: skip
    with as_outside():
        (job,) = slurm.submit(tracker, request)
    return f"with {memory_gb:g} GB instead of {small.memory_gb:g} GB, in job {job}"


def _gpus(small: Profile) -> int:
    """How many GPUs a job needs that works one point: as many as the point had."""
    return small.gpus_per_run if small.gpus else 0


def _words(path: SweepPath, small: Profile) -> list[str]:
    """The command of a job that works one point with as many processes as it had."""
    team = small.team
    words = [sys.executable, "-m", "launch.crew", str(path), "--workers", "1", "--nodes", str(team.nodes)]
    return [*words, "--gpus-per-run", str(team.per_node)]


def remember(environment: Mapping[str, str]) -> None:
    """Note what a job was started with, before it has folders of its own and a client that is set up for it."""
    _started_with.clear()
    _started_with.update(environment)


@contextmanager
def as_outside() -> Iterator[None]:
    """Meanwhile this process is part of no job, and has the environment that it was started with.

    sbatch would take what the job was given for what is asked. What it submits has this environment, and is at
    work when the folders of this process are gone.
    """
    own = dict(os.environ)
    found = _started_with or own
    kept = {name: value for name, value in found.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    kept |= {name: value for name, value in found.items() if name == "SLURM_CONF"}
    _set(kept)
    try:
        yield
    finally:
        _set(own)


def _set(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
