"""What `--slurm` does: submits agents of a sweep to the cluster, and follows them if asked to."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import typer

from framework.errors import ConfigError, Problem
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import bad_nodes, bigger, direct, profile, slurm, sweeping
from launch.frozen import Code
from launch.slots import Slot
from launch.team import Team
from launch.telling import Answer
from launch.words import counted

POLL_S = (1.0, 15.0)
NODES = "SLURM_JOB_NUM_NODES"
HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Wish:
    """What the options say: a profile of the cluster, or, where that is empty, slots of this machine.

    `code` is what the workers run; None runs it as it lies.
    """

    profile: str = ""
    jobs: int | None = None
    wait: bool = False
    shell: bool = False
    slots: Sequence[Slot] = ()
    idle_s: float | None = None
    code: Code | None = None
    as_json: bool = False

    def check(self, here: Mapping[str, object]) -> None:
        """Refuse options that belong to the other way of working; `here`: those for this machine, as given.

        Raises:
            ConfigError: with each of them; or the profile cannot be used, or the cluster refuses it.
            ClusterError: there is no Slurm here, or it does not answer.
        """
        if self.profile:
            profile.load(self.profile)
            given_here = [(name, value) for name, value in here.items() if value]
            if given_here:
                told = "the profile says what a job works at a time: `gpus` and `workers` there"
                raise ConfigError([Problem(name, f"is {value}; {told}") for name, value in given_here], "--slurm")
            if not self.shell:
                slurm.check(profile.load(self.profile), f"--slurm {self.profile}")
            return
        given = {"--jobs": self.jobs is not None, "--wait": self.wait, "--shell": self.shell}
        problems = [Problem(name, "needs --slurm PROFILE") for name, is_given in given.items() if is_given]
        if problems:
            raise ConfigError(problems)

    @property
    def team(self) -> Team:
        """The processes that work a point."""
        if self.profile:
            return profile.load(self.profile).team
        return self.slots[0].team if self.slots else Team()

    def over(self, nodes: int) -> "Wish":
        """The same, with runs over so many nodes of the Slurm job that this process is part of.

        Raises:
            ConfigError: this is no such job, it has another number of nodes, or several runs would share them.
        """
        if nodes == 1:
            return self
        here = int(os.environ.get(NODES, "0"))
        problems = []
        if self.profile:
            problems.append(Problem("--nodes-per-run", f"is {nodes}; the profile says it: `nodes_per_run` there"))
        elif here != nodes:
            where = f"this job has {here}" if here else "this is no Slurm job"
            problems.append(Problem("--nodes-per-run", f"is {nodes}, and {where}; submit one: --slurm PROFILE"))
        if len(self.slots) > 1:
            told = f"is {nodes}: one run at a time has all of the nodes, not {len(self.slots)}"
            problems.append(Problem("--nodes-per-run", told))
        if problems:
            raise ConfigError(problems)
        return replace(self, slots=[replace(slot, nodes=nodes) for slot in self.slots])

    def request(self, path: SweepPath, folder: Path) -> slurm.Request:
        """What is to be submitted for a sweep; logs go below `folder`."""
        return slurm.Request(path, profile.load(self.profile), self.jobs or 1, folder, self.code)


@dataclass(frozen=True)
class Submitted:
    """What was submitted: `count` jobs in arrays with these ids, which bear the name; `logs` is their folder."""

    tracker: str
    sweep: str
    url: str
    jobs: list[str]
    count: int
    name: str
    logs: str


@dataclass(frozen=True)
class Shown:
    """What would be submitted: the text of one array, and the command that each of its jobs runs."""

    sweep: str
    count: int
    script: str
    command: list[str]


def submit(
    tracker: Tracker,
    path: SweepPath,
    wish: Wish,
    folder: Path,
    answer: Answer,
    first: SweepPath | None = None,
) -> int:
    """Submit the agents of a sweep and say how to follow them, and what was submitted to `answer`; the exit code.

    Nothing is submitted where nothing is left to run. `first` as in `sweeping.work`.

    Raises:
        ClusterError: there is no Slurm here, it refuses the jobs, or does not answer.
        RunsFailed: they were waited for or nothing is left, and runs failed, or points are open that nobody is
            given.
    """
    request = wish.request(path, folder)
    if wish.shell:
        answer(Shown(str(path), request.jobs, slurm.script(request), request.words))
        typer.echo(slurm.script(request))
        return 0
    url = f"{tracker.url}/{path.entity}/{path.project}/sweeps/{path.id}"
    if sweeping.left_to_run(tracker, path, first) is None:
        answer(Submitted(tracker.url, str(path), url, [], 0, slurm.name_of(path), str(request.place)))
        return 0
    if urlsplit(tracker.url).hostname in HERE:
        typer.echo(
            f"note: only this machine reaches {tracker.url}; for the nodes: sashiko serve --host 0.0.0.0 --url …",
            err=True,
        )
    request = _without_bad_nodes(tracker, request)
    request.place.mkdir(parents=True, exist_ok=True)
    request = replace(request, variables={bigger.VARIABLE: str(bigger.write(request))})
    ids = slurm.submit(tracker, request)
    answer(Submitted(tracker.url, str(path), url, ids, request.jobs, slurm.name_of(path), str(request.place)))
    arrays = "" if len(ids) == 1 else f" in {len(ids)} arrays"
    typer.echo(f"submitted {counted(request.jobs, 'job')}{arrays}: {' '.join(ids)}; logs: {request.place}")
    if not wish.wait:
        typer.echo(f"follow them: sashiko status {path}; squeue --name {slurm.name_of(path)}")
        return 0
    _follow(ids, path)
    sweeping.tell_end(tracker, path)
    return 0


def _without_bad_nodes(tracker: Tracker, request: slurm.Request) -> slurm.Request:
    """The request without the nodes on which the sweep's runs fail that succeed elsewhere; says which they are."""
    bad = bad_nodes.find(sweeping.whole(tracker, request.path).entries)
    for node, names in bad.items():
        if node not in request.profile.exclude:
            typer.echo(
                f"{node} is left out: its last {bad_nodes.IN_A_ROW} runs failed, and the same points were done on "
                f"other nodes ({'; '.join(names)})"
            )
    exclude = tuple(dict.fromkeys((*request.profile.exclude, *bad)))
    return replace(request, profile=request.profile.model_copy(update={"exclude": exclude}))


def _follow(ids: Sequence[str], path: SweepPath) -> None:
    """Wait until every job has ended, and those that they submitted for one point, and say what changes."""
    pause, told = POLL_S[0], ""
    while True:
        jobs = [*slurm.jobs_with(ids), *filter(direct.is_for_one, slurm.jobs_of(path))]
        now = ", ".join(f"{count} {state.lower()}" for state, count in sorted(slurm.counts(jobs).items()))
        if now and now != told:
            typer.echo(f"jobs: {now}")
            told, pause = now, POLL_S[0]
        if all(job.has_ended for job in jobs):  # none: so long ago that Slurm has forgotten them
            return
        time.sleep(pause)
        pause = min(1.5 * pause, POLL_S[1])
