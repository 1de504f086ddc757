"""The commands that tell how things are: status, efficiency, doctor. `cli` adds them to its own."""

from typing import Annotated

import typer

from framework.errors import ConfigError, Problem, RunsFailed
from launch.completing import sweep_files
from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption, SweepArgument
from launch.telling import JsonOption, answering

EveryOption = Annotated[
    float, typer.Option("--every", min=0.2, metavar="SECONDS", help="How often --watch looks.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, efficiency, doctor):
        app.command()(command)


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(
            metavar="[SWEEP]",
            help="A sweep, or a sweep file; without one: all that are not over.",
            autocompletion=sweep_files,
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again until it is over.")] = False,
    every: EveryOption = 5.0,
    project: Annotated[str, typer.Option(help="Without SWEEP: only those of this project.")] = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """How far a sweep is, who works on it, when it ends, and why runs failed; exit code 1 if any failed."""
    from launch import choice, overview, reading, watching
    from launch import status as views

    if watch and sweep is None:
        raise ConfigError([Problem("--watch", "needs a SWEEP")], "status")
    if project and sweep is not None:
        raise ConfigError([Problem("--project", "is for all sweeps of a project; leave out SWEEP")], "status")
    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        path = None if sweep is None else reading.sweep_of(tracker, sweep, directory)
        typer.echo(sentence)
        if path is None:
            some = list(overview.all_open(tracker, tracker.check(), project))
            answer(views.json_of(some, tracker.url))
            if not as_json:
                views.show(views.short(some))
            return
        if watch:
            found = watching.watch(tracker, path, every, answer if as_json else None)
        else:
            found = overview.read(tracker, path)
            answer(found)
            if not as_json:
                views.show(views.parts(found))
        if found is not None and found.failed:
            raise typer.Exit(RunsFailed.exit_code)


def efficiency(
    sweep: SweepArgument,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """What a sweep used of what it had asked for: CPU, memory, GPU; by job and in all, with advice."""
    from launch import choice, reading
    from launch import efficiency as used

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        path = reading.sweep_of(tracker, sweep, directory)
        typer.echo(sentence)
        found = used.read(tracker, path)
        answer(found)
        if not as_json:
            used.show(found)


def doctor(
    slurm: Annotated[
        str,
        typer.Option("--slurm", metavar="PROFILE", help="Look from a compute node, too: submits a small job."),
    ] = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what is here, whether the tracker answers, and what to do about what is wrong; exit code 1 then."""
    from launch import doctor as examining

    with answering(as_json=as_json) as answer:
        found = examining.examine(directory, embedded=embedded, profile=slurm)
        well = all(item.good for item in found)
        answer({"well": well, "findings": found})
        if not as_json:
            examining.show(found)
    if not well:
        raise typer.Exit(RunsFailed.exit_code)
