"""The commands for archives: archive, verify, restore. `cli` adds them to its own."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption
from launch.telling import JsonOption, answering

ArchiveArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An archive of `sashiko archive`.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (archive, verify, restore):
        app.command()(command)


def archive(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PROJECT|SWEEP", help="[ENTITY/]PROJECT, or a sweep ([[ENTITY/]PROJECT/]ID) or sweep file."
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, such as project.tar.zst.")],
    force: Annotated[bool, typer.Option("--force", help="Write it anew, over FILE or one begun before.")] = False,
    ro_crate: Annotated[
        bool, typer.Option("--ro-crate", help="Write a Workflow Run RO-Crate beside it, too: a folder FILE.crate.")
    ] = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a project or a sweep into one file: runs, rows, files, artifacts; broken off, it goes on."""
    from rich.console import Console

    from launch import choice
    from launch.archive import archiving, crate, target

    with answering(as_json=as_json) as answer:
        if ro_crate:
            crate.must_be_possible(file, force=force)
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        chosen = target.chosen(tracker, what)
        done = archiving.archive(tracker, chosen, file, Console(stderr=True), force=force)
        if ro_crate:
            done = replace(done, crate=str(crate.write(file)))
        answer(done)
        if not as_json:
            archiving.show(done)


def verify(file: ArchiveArgument, as_json: JsonOption = False) -> None:
    """Check every digest of an archive and name what is damaged; exit code 1 then. (A server: serve verify.)"""
    from launch.archive import archiving
    from launch.archive.errors import ArchiveError

    with answering(as_json=as_json) as answer:
        verdict = archiving.verify(file)
        answer(verdict)
        if not as_json:
            archiving.show_verdict(verdict)
        if not verdict.whole:
            raise typer.Exit(ArchiveError.exit_code)


def restore(
    file: ArchiveArgument,
    name: Annotated[
        str, typer.Option("--as", metavar="[ENTITY/]PROJECT", help="Its name there; default: the same.")
    ] = "",
    only: Annotated[list[str] | None, typer.Option(help="Only the run with this id; repeatable.")] = None,
    sweep: Annotated[str, typer.Option(help="Only this sweep with its runs, by id.")] = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put an archive into an embedded server, as it was; nothing that is there is overwritten."""
    from rich.console import Console

    from framework.errors import RunsFailed
    from launch import choice
    from launch.archive import restoring

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        done = restoring.restore(tracker, file, restoring.Wish(name, only or [], sweep), Console(stderr=True))
        answer(done)
        if not as_json:
            restoring.show(done)
        if done.differs:
            raise RunsFailed(
                f"{len(done.differs)} of these are there already and differ: they were left as they are"
            )
