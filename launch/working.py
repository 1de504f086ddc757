"""The commands that work a sweep: sweep, agents, rerun; here, or on a cluster. `cli` adds them to its own."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framework.errors import ConfigError, Problem
from launch.completing import sweep_files
from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption, LiveOption, SweepArgument
from launch.telling import Answer, JsonOption, answering

if TYPE_CHECKING:
    from framework.tracking.sweeps import SweepPath
    from framework.tracking.tracker import Tracker
    from launch import submitting

WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="How many runs at a time.")]
OwnWorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="How many runs at a time, on this machine. [default: 1]")
]
GpusOption = Annotated[
    str, typer.Option("--gpus", metavar="GPUS", help="Run on GPUs of this machine: all, or some, as in 0,2.")
]
PerGpuOption = Annotated[
    int | None, typer.Option("--per-gpu", min=1, help="How many runs share a GPU. [default: 1]")
]
PerRunOption = Annotated[
    int | None, typer.Option("--gpus-per-run", min=1, help="How many GPUs a run has to itself. [default: 1]")
]
NodesOption = Annotated[
    int, typer.Option("--nodes-per-run", min=1, help="In a Slurm job: how many of its nodes a run has to itself.")
]
IdleOption = Annotated[
    float | None,
    typer.Option("--idle", min=1.0, help="Leave after so many seconds without work, though others are at work."),
]
TogetherOption = Annotated[
    int | None,
    typer.Option(
        "--together", min=1, help="How many points of one shape a worker takes at once, if it can. [default: 1]"
    ),
]
SlurmOption = Annotated[
    str,
    typer.Option("--slurm", metavar="PROFILE", help="Submit agents to Slurm: a profile's name, or its file."),
]
JobsOption = Annotated[int | None, typer.Option("--jobs", "-n", min=1, help="How many jobs. [default: 1]")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow the submitted jobs until they have ended.")]
ShellOption = Annotated[bool, typer.Option("--shell", help="Print what would be submitted, and submit nothing.")]
FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A sweep definition, as `wandb sweep` takes it.", autocompletion=sweep_files
    ),
]
FailedOption = Annotated[bool, typer.Option("--failed", help="Work failed points again, too.")]
StaleOption = Annotated[
    str,
    typer.Option(
        "--stale",
        metavar="POLICY",
        help="Required artifacts that other code made: use them, remake them, or refuse. [default: use]",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (sweep, agents, rerun):
        app.command()(command)


def sweep(
    context: typer.Context,
    file: FileArgument,
    workers: OwnWorkersOption = None,
    gpus: GpusOption = "",
    per_gpu: PerGpuOption = None,
    gpus_per_run: PerRunOption = None,
    together: TogetherOption = None,
    slurm: SlurmOption = "",
    jobs: JobsOption = None,
    wait: WaitOption = False,
    project: Annotated[str, typer.Option(help="Project of the sweep; default: that of the file.")] = "",
    new: Annotated[bool, typer.Option("--new", help="Make a new sweep even if an equal one exists.")] = False,
    failed: FailedOption = False,
    only_open: Annotated[
        bool,
        typer.Option("--open", help="Make a new sweep of the points that no sweep of FILE has done or holds."),
    ] = False,
    replan: Annotated[
        bool,
        typer.Option("--replan", help="Withdraw the points that are gone from FILE and that nobody has worked."),
    ] = False,
    live: LiveOption = False,
    stale: StaleOption = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the sweep of a file and work it. What is finished is not run again; what is new in FILE is added."""
    answer = context.with_resource(answering(as_json=as_json))
    set_stale(stale)
    wish = _wish(workers, gpus, per_gpu, gpus_per_run, slurm, jobs, wait=wait, as_json=as_json)
    from experiments import manager_of, sweep_files
    from launch import checking, choice, drawn, frozen, sweeping
    from launch.team import must_share
    from launch.together import set_most
    from launch.words import counted, warn

    definition = sweep_files.read(file)
    warn(definition, file)
    manager = manager_of(definition.experiment)
    checking.check_name(project)
    must_share(manager, definition.experiment, wish.team)
    set_most(together, manager, definition.experiment)
    points = checking.planned(definition, manager)
    checking.check(manager, points, str(file))
    extent = counted(len(points), "run") if definition.is_grid else drawn.extent(definition)
    code, code_told = frozen.for_sweep(directory, live=live)
    tracker, sentence = choice.choose(directory, embedded=embedded)
    typer.echo(f"{sentence}\n{code_told}")
    sweeping.refuse_stale(tracker, definition, manager, points, project)
    path, told, first = sweeping.choose(
        tracker, definition, points, project, new=new, failed=failed, only_open=only_open, replan=replan
    )
    typer.echo(f"{told} ({extent}): {tracker.url}/{path.entity}/{path.project}/sweeps/{path.id}")
    frozen.remember(directory, path, code)
    _work(tracker, path, replace(wish, code=code), directory, answer, first)


def agents(
    context: typer.Context,
    sweep: SweepArgument,
    workers: OwnWorkersOption = None,
    gpus: GpusOption = "",
    per_gpu: PerGpuOption = None,
    gpus_per_run: PerRunOption = None,
    nodes_per_run: NodesOption = 1,
    together: TogetherOption = None,
    idle: IdleOption = None,
    slurm: SlurmOption = "",
    jobs: JobsOption = None,
    wait: WaitOption = False,
    shell: ShellOption = False,
    failed: FailedOption = False,
    live: LiveOption = False,
    stale: StaleOption = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Work a sweep that exists already, for example one that `wandb sweep` made; here, or on a Slurm cluster."""
    answer = context.with_resource(answering(as_json=as_json))
    set_stale(stale)
    wish = _wish(workers, gpus, per_gpu, gpus_per_run, slurm, jobs, wait=wait, shell=shell, as_json=as_json)
    wish = replace(wish.over(nodes_per_run), idle_s=idle)
    from launch import checking, choice, frozen, sweeping

    tracker, sentence = choice.choose(directory, embedded=embedded)
    if idle is not None:  # agents that a cluster has started: nobody is there to start them again
        tracker = choice.patient(tracker)
    typer.echo(sentence)
    named = sweeping.locate(tracker, sweep)
    path = sweeping.newest(tracker, named)
    first = None if path == named else named
    if first:
        typer.echo(f"what is open in {first} is worked in {path}")
    code, told = frozen.of_sweep(directory, path, live=live)
    typer.echo(told)
    checking.check_sharing(tracker, path, wish.team, together)
    if not shell:
        sweeping.must_hand_out(tracker, path, failed=failed)
    _work(tracker, path, replace(wish, code=code), directory, answer, first)


def rerun(
    context: typer.Context,
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="[SWEEP]", help="A sweep file, a sweep's id or its path.", autocompletion=sweep_files
        ),
    ] = "",
    failed: Annotated[bool, typer.Option("--failed", help="The points that failed.")] = False,
    points: Annotated[
        str, typer.Option(metavar="INDICES", help="These points, as `plan` lists them: 3,7-9.")
    ] = "",
    again: Annotated[
        str,
        typer.Option(
            "--from", metavar="FILE|ARTIFACT|RUN", help="In place of points: what one run did, compared."
        ),
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="With --from: the recorded code and packages, built anew.")
    ] = False,
    relative: Annotated[
        float, typer.Option("--rtol", min=0.0, help="With --from: relative difference that is tolerated.")
    ] = 1e-5,
    absolute: Annotated[
        float, typer.Option("--atol", min=0.0, help="With --from: absolute difference that is tolerated.")
    ] = 1e-8,
    workers: OwnWorkersOption = None,
    gpus: GpusOption = "",
    per_gpu: PerGpuOption = None,
    gpus_per_run: PerRunOption = None,
    slurm: SlurmOption = "",
    jobs: JobsOption = None,
    wait: WaitOption = False,
    live: LiveOption = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Work points of a grid once more, with the code of now; the runs that there are stay.

    With --from, do again what one run did (given by its id, an artifact of it, or its provenance.toml), and
    compare: identical (exit code 0), within tolerance (1), different (2), not comparable (3).
    """
    answer = context.with_resource(answering(as_json=as_json))
    if again:
        from launch import comparing

        others = {
            "SWEEP": sweep, "--failed": failed, "--points": points, "--workers": workers, "--gpus": gpus,
            "--per-gpu": per_gpu, "--gpus-per-run": gpus_per_run, "--slurm": slurm, "--jobs": jobs, "--wait": wait,
            "--live": live,
        }  # fmt: skip
        one = comparing.Again(again, relative, absolute, fresh)
        raise typer.Exit(comparing.rerun(one, others, directory, embedded=embedded, answer=answer))
    if fresh:
        raise ConfigError([Problem("--fresh", "goes with --from: points take the packages of now")], "rerun")
    if not sweep:
        raise ConfigError(
            [Problem("SWEEP", "is missing: a sweep whose points are meant, or --from one run")], "rerun"
        )
    wish = _wish(workers, gpus, per_gpu, gpus_per_run, slurm, jobs, wait=wait, as_json=as_json)
    from launch import choice, frozen, rerunning, sweeping

    if failed == bool(points):
        raise ConfigError([Problem("--failed/--points", "one of the two says which points are meant")], "rerun")
    indices = rerunning.indices_of(points) if points else None
    tracker, sentence = choice.choose(directory, embedded=embedded)
    typer.echo(sentence)
    code, told = frozen.for_sweep(directory, live=live)
    typer.echo(told)
    path = sweeping.locate(tracker, sweep)
    chosen = rerunning.rerun(tracker, path, indices)
    if chosen is None:
        typer.echo(f"no point of {path} has failed")
        if as_json:
            from launch.worked import worked

            answer(worked(tracker, path, None))
        return
    typer.echo(chosen.told)
    frozen.remember(directory, chosen.path, code)
    _work(tracker, chosen.path, replace(wish, code=code), directory, answer, chosen.first)


def set_stale(policy: str) -> None:
    """Tell the policy to the workers, after a look at whether it is one."""
    from framework.tracking import stale

    if policy:
        os.environ[stale.VARIABLE] = policy
    stale.policy()


def _wish(
    workers: int | None,
    gpus: str,
    per_gpu: int | None,
    per_run: int | None,
    profile: str,
    jobs: int | None,
    *,
    wait: bool,
    shell: bool = False,
    as_json: bool = False,
) -> "submitting.Wish":
    from launch import submitting
    from launch.slots import slots_of

    wish = submitting.Wish(profile, jobs, wait, shell, as_json=as_json)
    wish.check({"--workers": workers, "--gpus": gpus, "--per-gpu": per_gpu, "--gpus-per-run": per_run})
    return wish if profile else replace(wish, slots=slots_of(workers, gpus, per_gpu, per_run))


def _work(
    tracker: "Tracker",
    path: "SweepPath",
    wish: "submitting.Wish",
    directory: Path,
    answer: Answer,
    first: "SweepPath | None" = None,
) -> None:
    from launch import submitting

    try:
        if wish.profile:
            code = submitting.submit(tracker, path, wish, directory, answer, first)
        else:
            code = _work_here(tracker, path, wish, answer, first)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; go on with: sashiko agents {path}, or the same command again")
        raise
    if code:
        raise typer.Exit(code)


def _work_here(
    tracker: "Tracker", path: "SweepPath", wish: "submitting.Wish", answer: Answer, first: "SweepPath | None"
) -> int:
    from framework.errors import RunsFailed
    from launch import sweeping
    from launch.worked import worked

    try:
        code = sweeping.work(tracker, path, wish.slots, first, wish.idle_s, wish.code)
    except RunsFailed:
        if wish.as_json:
            answer(worked(tracker, path, first))
        raise
    if wish.as_json:
        answer(worked(tracker, path, first))
    return code
