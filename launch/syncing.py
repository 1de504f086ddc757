"""`sashiko sync`: the data folder and archives copied to another place, whole files, only what has changed.

By rsync where there is one, also to another machine (`host:path`); otherwise by a copy of its own, which reads a
file again only where its size or its time differ, and then copies it only where its digest does. Nothing at the
destination is deleted unless that is asked for.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from framework.data.places import data_folder
from framework.errors import ConfigError, Problem, SashikoError
from framework.tracking.record import digest_of
from launch.telling import JsonOption, answering

WHOLE_SECOND = 1.0
"""Times of files differ by less on file systems that keep them less exactly."""
PARTIAL = (".partial", ".partial.jsonl")
_REMOTE = re.compile(r"(?:[^/@:]+@)?[^/@:]{2,}:.+|rsync://.+")
_ITEMIZED = re.compile(r"^(?:(?P<sent>[<>c.][^ ]{10})|(?P<gone>\*deleting)) +(?P<name>.+)$")


class SyncError(SashikoError):
    """What could not be copied."""


@dataclass
class Synced:
    """What was copied, or would be: names below the destination. `by`: rsync, or the copy of its own."""

    to: str
    by: str
    dry: bool
    copied: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def sync(
    destination: Annotated[str, typer.Argument(metavar="DEST", help="A folder, or HOST:FOLDER where rsync is.")],
    archives: Annotated[
        list[Path] | None, typer.Option("--archive", metavar="FILE", help="This archive too; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be copied.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete in DEST's data folder what is gone here.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the data folder (SASHIKO_DATA, or data) and archives to another place; only what has changed."""
    with answering(as_json=as_json) as answer:
        done = synced(data_folder(), archives or [], destination, dry=dry_run, delete=delete)
        answer(done)
        if not as_json:
            _show(done)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sync)


def synced(source: Path, archives: Sequence[Path], destination: str, *, dry: bool, delete: bool) -> Synced:
    """Copy a data folder to `DEST/data`, and archives to `DEST/archives`.

    Raises:
        ConfigError: the folder or an archive is not there, or DEST is within it, or elsewhere without rsync.
        SyncError: something could not be copied.
    """
    rsync = shutil.which("rsync")
    _check(source, archives, destination, rsync)
    done = Synced(destination, "rsync" if rsync else "copy", dry)
    for name, paths in (("data", [source]), ("archives", list(archives))):
        if not paths:
            continue
        gone = delete and name == "data"
        if rsync:
            _by_rsync(rsync, paths, f"{destination.rstrip('/')}/{name}", name, done, delete=gone)
        else:
            _by_copy(paths, Path(destination) / name, name, done, delete=gone)
    return done


def _check(source: Path, archives: Sequence[Path], destination: str, rsync: str | None) -> None:
    problems = []
    if not source.is_dir():
        problems.append(Problem("SASHIKO_DATA", f"the data folder {source} is not there"))
    problems += [Problem("--archive", f"there is no file {path}") for path in archives if not path.is_file()]
    problems += [
        Problem("--archive", f"{path} is an archive that is not finished: finish it first")
        for path in archives
        if path.name.endswith(PARTIAL)
    ]
    if _REMOTE.fullmatch(destination):
        if rsync is None:
            problems.append(Problem("DEST", f"{destination} is on another machine: install rsync, or mount it"))
    elif Path(destination).resolve().is_relative_to(source.resolve()):
        problems.append(Problem("DEST", f"{destination} is within the data folder {source}: give another place"))
    if problems:
        raise ConfigError(problems, "sync")


# --- rsync ---------------------------------------------------------------------------------------------------


def _by_rsync(rsync: str, paths: list[Path], target: str, name: str, done: Synced, *, delete: bool) -> None:
    is_folder = name == "data"
    options = ["--archive", "--itemize-changes", "--mkpath", "--partial"]
    options += ["--dry-run"] * done.dry + ["--delete-after"] * delete
    words = [f"{path}/" if is_folder else str(path) for path in paths]
    call = subprocess.run(
        [rsync, *options, "--", *words, f"{target}/"], text=True, capture_output=True, check=False
    )
    if call.returncode:
        told = call.stderr.strip().splitlines() or [f"exit code {call.returncode}"]
        raise SyncError(f"rsync to {target} failed, and the same command goes on: {told[0]}")
    for line in call.stdout.splitlines():
        match = _ITEMIZED.match(line)
        if match is None:
            continue
        if match["gone"]:
            done.deleted.append(f"{name}/{match['name']}")
        elif match["sent"][:2] in ("<f", ">f"):
            done.copied.append(f"{name}/{match['name']}")
        elif match["sent"][:2] == "cL":
            done.copied.append(f"{name}/{match['name'].split(' -> ')[0]}")


# --- without -------------------------------------------------------------------------------------------------


def _by_copy(paths: list[Path], target: Path, name: str, done: Synced, *, delete: bool) -> None:
    kept = set()
    try:
        for root in paths:
            for path in _files(root):
                inside = path.relative_to(root if root.is_dir() else root.parent)
                kept.add(inside)
                if _differs(path, target / inside):
                    done.copied.append(f"{name}/{inside}")
                    if not done.dry:
                        _copy(path, target / inside)
        if delete:
            for path in sorted(_files(target)) if target.is_dir() else ():
                if path.relative_to(target) not in kept:
                    done.deleted.append(f"{name}/{path.relative_to(target)}")
                    if not done.dry:
                        path.unlink()
    except OSError as error:
        told = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        raise SyncError(f"{target} cannot be written, and the same command goes on: {told}") from error


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder; a link is one, whatever it leads to."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        yield from (Path(folder) / name for name in sorted([*files, *links]))


def _differs(path: Path, there: Path) -> bool:
    """By size and time; where only the time differs, by what is in it: then the time is set."""
    if path.is_symlink() or there.is_symlink():
        return not (path.is_symlink() and there.is_symlink() and path.readlink() == there.readlink())
    if not there.exists() or there.is_dir():
        return True
    ours, theirs = path.stat(), there.stat()
    if ours.st_size != theirs.st_size:
        return True
    if abs(ours.st_mtime - theirs.st_mtime) < WHOLE_SECOND:
        return False
    return digest_of(path) != digest_of(there)


def _copy(path: Path, there: Path) -> None:
    """Whole or not at all."""
    there.parent.mkdir(parents=True, exist_ok=True)
    beside = there.with_name(f".{there.name}.{os.getpid()}.new")
    try:
        shutil.copy2(path, beside, follow_symlinks=False)
        beside.replace(there)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _show(done: Synced) -> None:
    for name in done.copied:
        typer.echo(name)
    for name in done.deleted:
        typer.echo(f"{name}  deleted")
    verb = "would be copied" if done.dry else "copied"
    gone = f", {len(done.deleted)} deleted" if done.deleted else ""
    typer.echo(f"{len(done.copied)} files {verb}{gone}, by {done.by}, to {done.to}")
