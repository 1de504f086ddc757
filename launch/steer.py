"""The commands that look after what runs and was made: cancel, logs, delete, tidy. `cli` adds them to its own."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from framework.errors import ConfigError, Problem
from launch import serve
from launch.completing import sweep_files
from launch.telling import JsonOption, answering

DirectoryOption = Annotated[Path, typer.Option("--dir", help="Folder of the embedded server.")]
EmbeddedOption = Annotated[
    bool, typer.Option("--embedded", help="Use the embedded server, whatever is logged in.")
]
LiveOption = Annotated[
    bool, typer.Option("--live", help="Run the code as it lies, not as it was when this was submitted.")
]
SweepArgument = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP",
        help="A sweep of the tracker ([[ENTITY/]PROJECT/]ID), or a sweep file.",
        autocompletion=sweep_files,
    ),
]
DEFAULT_DIRECTORY = serve.DEFAULT_DIRECTORY


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cancel, logs, delete, tidy):
        app.command()(command)


def cancel(
    what: Annotated[
        str,
        typer.Argument(metavar="SWEEP|JOB|RUN", help="A sweep or a run of the tracker, or the id of a Slurm job."),
    ],
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stop a sweep and all its jobs on the cluster; or one job, whose work is then open again; or one run."""
    from launch import cancelling, choice, naming, slurm, sweeping

    with answering(as_json=as_json) as answer:
        if slurm.is_job(what):
            answer(cancelling.cancel_job(what))
            return
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        found = naming.sweep_or_run(tracker, what, partial(sweeping.locate, as_written=True, by_name=False))
        if isinstance(found, naming.FoundRun):
            answer(cancelling.cancel_run(tracker, found))
        else:
            answer(cancelling.cancel_sweep(tracker, found))


def logs(
    what: Annotated[
        str,
        typer.Argument(metavar="[RUN|JOB]", help="A run (PROJECT/ID, or its name), or the id of a Slurm job."),
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    level: Annotated[str, typer.Option(metavar="LEVEL", help="Without RUN: lines from this level on.")] = "DEBUG",
    of_run: Annotated[str, typer.Option("--run", metavar="ID", help="Without RUN: lines of this run.")] = "",
    worker: Annotated[str, typer.Option(metavar="HOST:PID", help="Without RUN: lines of this worker.")] = "",
    where: Annotated[
        list[str] | None, typer.Option("--field", metavar="KEY=VALUE", help="Without RUN: by a field; repeatable.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="Without RUN: 90s, 5m, 2h, 1d ago, or a time.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Without RUN: as --since.")] = "",
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Without RUN: how many lines; 0: all.")] = 100,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document; with -f a JSON object a line.")
    ] = False,
) -> None:
    """Print what a run printed, or what a job did; without either, what commands, workers and runs have logged."""
    from launch import choice, log_lines, slurm
    from launch import logs as written

    with answering(as_json=as_json) as answer:
        wish = log_lines.filter_of(level, of_run, worker, where or [], since, until)
        if not what:
            log_lines.show(directory, wish, last, answer if as_json else None, follow=follow)
            return
        if wish != log_lines.Filter():
            message = "is for what commands and workers have logged; leave out RUN, and name it with --run"
            raise ConfigError([Problem("--level/--run/--field/--since/--until", message)], "logs")
        lines: list[written.Line] = []
        take = written.printer(what) if not as_json else answer if follow else lines.append
        if slurm.is_job(what):
            path, state = written.of_job(directory, what, take, follow=follow)
        else:
            tracker, sentence = choice.choose(directory, embedded=embedded)
            typer.echo(sentence, err=True)
            path, state = written.of_run(tracker, what, take, follow=follow)
        if not follow:
            answer(written.Written(path, state, lines))


def delete(
    sweep: SweepArgument,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a sweep of the embedded server, with its points; its runs are asked to stop, and stay."""
    from launch import choice, deleting, sweeping

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        path = sweeping.locate(tracker, sweep)
        deleting.delete(tracker, path)
        typer.echo(f"deleted {path}; its runs stay")
        answer({"deleted": str(path)})


def tidy(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="[ENTITY/]PROJECT.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help="This kind of artifact alone, such as model.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and delete nothing.")] = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete versions of artifacts that a newer one has superseded, that no run has used and that have no name."""
    from framework.tracking.retention import superseded
    from launch import choice

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        entity, _, name = project.rpartition("/")
        found = list(superseded(f"{entity or tracker.check()}/{name}", kind))
        for one in found:
            typer.echo(f"{one.name} ({one.size / 1e6:.3f} MB)")
            if not dry_run:
                one.delete()
        size = sum(one.size for one in found)
        told = f"{len(found)} version{'s' * (len(found) != 1)} with {size:,} bytes"
        typer.echo(f"{'would delete' if dry_run else 'deleted'} {told}")
        if found and not dry_run:
            typer.echo("`sashiko serve prune` frees what nothing else needs of them, once it is a day old")
        versions = [{"name": one.name, "bytes": one.size} for one in found]
        answer({"deleted": not dry_run, "versions": versions, "bytes": size})
