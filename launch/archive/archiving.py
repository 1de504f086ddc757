"""`sashiko archive` and `sashiko verify`: an archive made with a bar, and one checked."""

import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from framework.errors import InvalidInput
from framework.tracking import sweeps
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch.archive.errors import Damaged, shown
from launch.archive.making import Making
from launch.archive.reader import Archive
from launch.archive.source import Source, source_of
from launch.archive.target import Chosen
from launch.archive.writer import Writer
from launch.progress import runs_bar
from launch.successors import ids_of_successors
from launch.version import number
from launch.words import counted


@dataclass(frozen=True)
class Archived:
    """What was archived. `way`: how the tracker was read; `resumed`: an earlier call had begun it."""

    file: str
    of: str
    way: str
    resumed: bool
    counts: dict[str, int]
    members: int
    unpacked: int
    size: int
    notes: list[str] = field(default_factory=list)
    crate: str | None = None


def archive(tracker: Tracker, what: Chosen, path: Path, console: Console, *, force: bool = False) -> Archived:
    """Write a project or a sweep into a file.

    Raises:
        TrackerError: the tracker does not answer, or has lost a file.
        ArchiveError: the file is there, cannot be written, or the disk is full.
    """
    source = source_of(tracker, what.entity, what.project)
    identity = {"project": f"{what.entity}/{what.project}", "sweep": what.sweep}
    head = {"tracker": tracker.url, "read": source.way, "made_at": time.time(), "versions": versions()}
    chain = _chain(tracker, what)
    total = (source.about(sweep=chain) or {}).get("runs")
    with Writer(path, identity, head, force=force) as writer, runs_bar(console) as progress:
        resumed = writer.at is not None
        bar = progress.add_task("runs", total=total, note=str(what))
        making = Making(source, writer, chain)
        for number in making.make():
            progress.update(bar, completed=number)
        counts = making.done.counts
        notes = list(_notes(counts, source))
        size = writer.finish(making.state(), {"counts": counts, "notes": notes})
    return Archived(
        str(path),
        str(what),
        source.way,
        resumed,
        counts,
        writer.counts["members"],
        writer.counts["bytes"],
        size,
        notes,
    )


def _chain(tracker: Tracker, what: Chosen) -> list[str]:
    """The ids of a sweep and of those that worked what it left open; none for a project."""
    if what.sweep is None:
        return []
    try:
        sweep = sweeps.find(tracker, SweepPath(what.entity, what.project, what.sweep))
        return [what.sweep, *ids_of_successors(tracker, sweep)]
    except InvalidInput:  # a definition that is none of Sashiko's grids has no successors
        return [what.sweep]


def versions() -> dict[str, str]:
    """What wrote an archive."""
    return {"sashiko": number(), "wandb": version("wandb"), "python": platform.python_version()}


def _notes(counts: dict[str, int], source: Source) -> list[str]:
    notes = []
    if counts["running"]:
        notes.append(f"{counted(counts['running'], 'run')} not over, taken as it was then, with the rows so far")
    return notes + list(source.lacks)


def show(done: Archived) -> None:
    """Tell what was archived."""
    counts = done.counts
    typer.echo(f"runs       {counts['runs']:,} with {counts['rows']:,} rows")
    typer.echo(f"sweeps     {counts['sweeps']:,}")
    typer.echo(f"artifacts  {counts['artifacts']:,} versions; {counts['files']:,} files with those of the runs")
    typer.echo(f"to         {done.file}: {done.size / 1e6:.1f} MB, unpacked {done.unpacked / 1e6:.1f} MB")
    if done.crate is not None:
        typer.echo(f"RO-Crate   {done.crate}")
    for note in done.notes:
        typer.echo(note)


@dataclass(frozen=True)
class Verdict:
    """What a check of an archive found: whole, or which members are damaged and how."""

    file: str
    whole: bool
    members: int
    unpacked: int
    damaged: list[dict[str, str]]
    of: dict[str, Any]


def verify(path: Path) -> Verdict:
    """Check every digest of an archive.

    Raises:
        NoArchive: it is none, or one of a newer format.
    """
    try:
        archive_ = Archive(path)
    except Damaged as error:
        problems = zip(error.names, error.problems, strict=True)
        # What is said of the index names it already.
        damaged = [{"member": name, "problem": told.removeprefix(name).lstrip(": ")} for name, told in problems]
        return Verdict(str(path), False, 0, 0, damaged, {})
    damaged = [{"member": name, "problem": problem} for name, problem in archive_.damaged()]
    return Verdict(
        str(path), not damaged, archive_.told["members"], archive_.told["bytes"], damaged,
        {} if damaged else archive_.head(),
    )  # fmt: skip


def must_be_whole(path: Path) -> Archive:
    """An archive whose every digest is right.

    Raises:
        NoArchive: it is none, or one of a newer format.
        Damaged: some bytes of it are not those that were written.
    """
    found = Archive(path)
    damaged = list(found.damaged())
    if damaged:
        raise Damaged(path, [f"{name}: {problem}" for name, problem in damaged], [name for name, _ in damaged])
    return found


def show_verdict(verdict: Verdict) -> None:
    """Tell what a check found."""
    for line in shown([f"{item['member']}: {item['problem']}" for item in verdict.damaged]):
        typer.echo(line)
    if verdict.whole:
        typer.echo(
            f"{verdict.file} is whole: {verdict.members:,} members, {verdict.unpacked / 1e6:.1f} MB unpacked"
        )
    else:
        typer.echo(
            f"{verdict.file} is damaged: fetch it again from where it was copied; nothing is restored from it"
        )
