"""Profiles: what a job asks of a Slurm cluster, as typed files in `launch/profiles`. Nothing is started here."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from framework.config import Config
from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.layers import resolve
from launch.team import Team

FOLDER = Path(__file__).parent / "profiles"
FEWEST_MINUTES = 2
"""Slurm may warn a job up to a minute early: a shorter one would be told to leave as it starts."""
OWN = {
    "account": "account",
    "array": "parallel_jobs",
    "comment": "",
    "constraint": "constraint",
    "cpus-per-task": "cpus",
    "error": "",
    "exclude": "exclude",
    "gpus": "gpus",
    "gpus-per-node": "gpus",
    "gres": "gpus",
    "job-name": "",
    "mem": "memory_gb",
    "nodes": "nodes_per_run",
    "ntasks": "",
    "ntasks-per-node": "",
    "open-mode": "",
    "output": "",
    "partition": "partition",
    "qos": "qos",
    "requeue": "requeue",
    "no-requeue": "requeue",
    "signal": "warning_seconds",
    "time": "time_minutes",
    "wrap": "",
}
"""Options of sbatch that a field of the profile sets, or ("") that are set for every job."""
Option = str | int | float | bool
NAME = re.compile(r"-{0,2}[A-Za-z][\w-]*")
Word = Annotated[str, Field(min_length=1, pattern=r"^\S+$")]


class Profile(Config):
    """What one job, with one agent in it, asks for; `sashiko agents SWEEP --slurm PROFILE -n 8` submits eight."""

    partition: Word | None = Field(None, description="Partition; null takes the cluster's default.")
    account: Word | None = Field(None, description="Account that is charged; null takes one's default.")
    qos: Word | None = Field(None, description="Quality of service; null takes the default.")
    constraint: str | None = Field(None, min_length=1, description="Features that a node must have: `a100|h100`.")
    exclude: tuple[Word, ...] = Field((), description="Nodes that are not to be used.")
    time_minutes: int = Field(240, ge=FEWEST_MINUTES, description="Longest time of a job.")
    memory_gb: float = Field(8.0, gt=0, description="Memory of a job on each node, in units of 2^30 bytes.")
    cpus: int = Field(2, ge=1, description="Processors of a job on each node.")
    gpus: int = Field(0, ge=0, description="GPUs of a job on each node.")
    workers: int = Field(1, ge=1, description="Runs that a job works at a time: on each GPU, if it has any.")
    gpus_per_run: int = Field(
        1,
        ge=1,
        description="GPUs that one run has to itself on each of its nodes, with a process for each; 1 for runs "
        "without a GPU, which have one process a node.",
    )
    nodes_per_run: int = Field(1, ge=1, description="Nodes of a job, all of which one run has to itself.")
    parallel_jobs: int = Field(256, ge=1, description="Most jobs of one submission that run at the same time.")
    warning_seconds: int = Field(
        120, ge=5, description="So long before its end a job is told to leave, and gives back what it works on."
    )
    requeue: bool = Field(
        True, description="Whether a job that is preempted, or whose time is over, is queued again."
    )
    setup: tuple[str, ...] = Field((), description="Lines of bash before the agent: `module load …`.")
    sbatch: dict[str, Option] = Field(
        {}, description='Further options of sbatch, by their long names: `mail-type = "END"`.'
    )

    def conflicts(self) -> Iterator[Problem]:
        """Options of sbatch that have a field of their own, runs that do not fit, a warning as long as the job."""
        for name, value in self.sbatch.items():
            if not NAME.fullmatch(name):
                yield Problem(f"sbatch.{name}", "is no name of an option; allowed: one word, as in mail-type")
            if isinstance(value, str) and len(value.splitlines()) > 1:
                yield Problem(f"sbatch.{name}", f"is {value!r}; allowed: one line")
            field = OWN.get(name.replace("_", "-").lstrip("-"))
            if field:
                yield Problem(f"sbatch.{name}", f"has a field of its own: {field}")
            elif field is not None:
                yield Problem(f"sbatch.{name}", "is set for every job; leave it out")
        yield from self._sharing_problems()
        if self.warning_seconds > 30 * self.time_minutes:
            told = f"is {self.warning_seconds}, more than half of the job's {60 * self.time_minutes} seconds"
            yield Problem("warning_seconds", told)

    def _sharing_problems(self) -> Iterator[Problem]:
        """Runs of several GPUs or nodes that leave some idle, or would share what they have to themselves."""
        if self.gpus_per_run > max(self.gpus, 1):
            yield Problem("gpus_per_run", f"is {self.gpus_per_run}, and gpus is {self.gpus}: a job has no more")
        elif self.gpus_per_run > 1 and self.gpus % self.gpus_per_run:
            told = f"is {self.gpus_per_run}, and of {self.gpus} gpus {self.gpus % self.gpus_per_run} would be idle"
            yield Problem("gpus_per_run", told)
        if self.nodes_per_run > 1 and self.gpus > self.gpus_per_run:
            told = f"is {self.nodes_per_run}: such a run has all of the job's gpus, {self.gpus} on each node; set "
            yield Problem("nodes_per_run", f"{told}gpus_per_run to that")
        if self.workers > 1 and (self.gpus_per_run > 1 or self.nodes_per_run > 1):
            told = f"is {self.workers}; allowed: 1, because a run of several GPUs or nodes has them to itself"
            yield Problem("workers", told)

    @property
    def team(self) -> Team:
        """The processes that work a point."""
        return Team(self.nodes_per_run, self.gpus_per_run)


def names() -> list[str]:
    """The profiles in `launch/profiles`."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(text: str) -> Profile:
    """The profile that is meant: a file, or the name of one in `launch/profiles`.

    Raises:
        ConfigError: there is no such profile, or with every problem of the file.
    """
    path = Path(text) if text.endswith(".toml") or Path(text).is_file() else FOLDER / f"{text}.toml"
    if not path.is_file():
        message = f"is {text!r}: neither a file nor a profile in {FOLDER}; {nearest(text, names())}"
        raise ConfigError([Problem("--slurm", message)])
    return resolve(Profile, [path]).config
