"""sashiko serve age · compact · retain: what a lab does with a folder that has been served for long."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framework.errors import ConfigError, Problem, TrackerError
from launch.telling import JsonOption, answering

if TYPE_CHECKING:
    from launch.server import retention
    from launch.server.ageing import Told
    from launch.server.storage import Store, Tables

DAYS = 86_400.0
ProjectOption = Annotated[str | None, typer.Option("--project", help="Only runs of this ENTITY/PROJECT.")]


def age(
    context: typer.Context,
    days: Annotated[float, typer.Option(min=0, help="Days of silence after which the rows of a run age.")] = 7.0,
    project: ProjectOption = None,
    back: Annotated[bool, typer.Option("--back", help="Bring rows back into the database instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Move the rows of runs of long ago into compressed column files, also while the folder is served.

    A server does so by itself (SASHIKO_AGE_DAYS: 7, or never). Every query and page reads them where they are.
    """
    from launch.server.ageing import Ageing, Told
    from launch.server.blobs import Blobs

    told = Told()
    with answering(as_json=as_json) as answer, opened(context.obj) as store:
        blobs = Blobs(context.obj.absolute() / "blobs", tidy=False)
        only = None if project is None else _project(store, project)
        work = Ageing(store, blobs, time.time, None, only)
        if back:
            runs = work.with_files()
            _must_have_room(store, runs)
            for run_id in runs:
                for _ in work.bring_back(run_id, told):
                    pass
        else:
            while work.age_next(days * DAYS, told):
                pass
            while work.sweep():
                pass
        while work.give_back():
            pass
        answer({"runs": len(told.runs), "rows": told.rows, "characters": told.characters, "bytes": told.files})
        _tell(told, days, back)


def _must_have_room(store: "Store[Tables]", runs: list[int]) -> None:
    """Let pass runs whose rows the disk can hold as text: in the database, and on the way there in its log.

    Raises:
        TrackerError: it cannot.
    """
    with store.read() as tables:
        size = sum(tables.usage.rows_of(run_id) for run_id in runs)
    need, free = 3 * size, shutil.disk_usage(store.path.parent).free
    if free < need:
        raise TrackerError(
            f"rows of {len(runs):,} runs were {size / 1e6:,.0f} MB of text; to bring them back"
            f" {need / 1e6:,.0f} MB must be free, and {free / 1e6:,.0f} MB are: make room, or name a --project;"
            " nothing was changed"
        )


def _tell(told: "Told", days: float, back: bool) -> None:
    from launch.server.ageing import FEWEST

    if not told.rows:
        typer.echo(
            "no rows are in files"
            if back
            else f"no run has {FEWEST} rows or more in the database and was silent for {days:g} days"
        )
    elif back:
        typer.echo(f"brought back {told.rows:,} rows of {len(told.runs):,} runs; a server ages them again in time")
    else:
        each = told.files / told.rows
        sizes = (
            f"{told.characters / 1e6:,.1f} MB of text are {told.files / 1e6:,.1f} MB now, {each:.1f} bytes a row"
        )
        typer.echo(f"aged {told.rows:,} rows of {len(told.runs):,} runs: {sizes}")


def compact(context: typer.Context) -> None:
    """Give the free pages of the database back to the disk.

    While the folder is served a few at a time; a database from before this was possible is written anew, once, for
    which its server must be stopped and the disk have room for a copy. So is one that is cut off and has lost no
    row (`verify` says so).
    """
    if _mended(context.obj):
        return
    with opened(context.obj) as store:
        before = store.path.stat().st_size
        if store.gives_back:
            while store.shrink(500, 0):
                pass
            store.checkpoint()
        else:
            with _alone(context.obj, "is from before free pages could be given back meanwhile"):
                store.rewrite()
    after = (context.obj / "server.db").stat().st_size
    typer.echo(f"server.db: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")


def retain(
    context: typer.Context,
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="TOML file of rules (docs/old-runs.md).")],
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it nothing is changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what a policy does not keep: runs, or their rows, by project, tag and age. First it only tells."""
    from launch.server import retention
    from launch.server.quotas import told
    from launch.show import print_rows

    with answering(as_json=as_json) as answer:
        rules = retention.read_policy(policy)
        now = time.time()
        with opened(context.obj) as store:
            with store.read() as tables:
                choices = retention.chosen(tables, rules, now)
            gone = retention.apply(store, choices, now) if apply else []
        answer({"rules": [_rule(choice) for choice in choices], "applied": apply, "gone": len(gone)})
        print_rows(
            [
                {
                    "rule": choice.rule.name,
                    "deletes": choice.rule.delete,
                    "of runs": f"{len(choice.runs):,}",
                    "versions": f"{choice.versions:,}",
                    "bytes": told(choice.bytes),
                    "named, but stay": "; ".join(f"{n:,}: {why}" for why, n in choice.stay.most_common()) or "-",
                }
                for choice in choices
            ]
        )
        if apply:
            stayed = sum(len(choice.runs) for choice in choices) - len(gone)
            more = f"; {stayed:,} went on or were referred to meanwhile, and stay" if stayed else ""
            typer.echo(
                f"deleted of {len(gone):,} runs{more}; what nothing names any more leaves the disk with prune"
            )
        else:
            typer.echo("nothing was deleted: --apply does it")


def _rule(choice: "retention.Choice") -> dict[str, object]:
    return {
        "name": choice.rule.name,
        "delete": choice.rule.delete,
        "runs": len(choice.runs),
        "versions": choice.versions,
        "bytes": choice.bytes,
        "stay": dict(choice.stay),
    }


def _mended(directory: Path) -> bool:
    """Whether a folder has a database that was cut off without a loss, which is written anew then."""
    from launch.server import mending, mounts, opening
    from launch.server.upkeep import DATABASE

    path = (directory / DATABASE).absolute()
    with opening.told(path):
        if not path.is_file() or not mending.lost_nothing(path):
            return False
        mounts.check(directory)
        with _alone(directory, "is cut off, and is to be written anew"):
            cut = mending.mend(path)
    typer.echo(f"{path} was cut off, and was written anew: no row is lost. As it was it is {cut}; delete that one")
    return True


@contextmanager
def _alone(directory: Path, why: str) -> Iterator[None]:
    """Hold a folder that no server has.

    Raises:
        TrackerError: one has it.
    """
    from launch.server.instance import ServerBusy, only_one

    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(directory))
        except ServerBusy as error:
            raise TrackerError(
                f"{directory} is served, and its database {why}: stop the server first"
                f" (sashiko serve --dir {directory} --stop)"
            ) from error
        yield


@contextmanager
def opened(directory: Path) -> "Iterator[Store[Tables]]":
    """The database of a folder that was served; what goes wrong is told in words.

    Raises:
        TrackerError: the disk is full, or another process holds the database.
    """
    from launch.server import mounts
    from launch.server.upkeep import served

    path = served(directory).absolute()
    mounts.check(directory)
    with store_at(path) as store:
        yield store


@contextmanager
def store_at(path: Path) -> "Iterator[Store[Tables]]":
    """The database at a path, made if it is new.

    Raises:
        TrackerError: the disk is full, or another process holds the database.
        Unusable: the database is damaged, or its disk fails.
    """
    from launch.server import opening
    from launch.server.errors import ApiError, DiskFull
    from launch.server.storage import open_store

    store = open_store(path)
    try:
        yield store
    except sqlite3.DatabaseError:
        with opening.told(path):
            raise
    except DiskFull as error:
        raise TrackerError(
            f"the disk of {path.parent} is full: make room and give the same command again; it goes on where it"
            " was, and nothing is lost"
        ) from error
    except ApiError as error:
        raise TrackerError(error.message) from error
    finally:
        store.close()


def _project(store: "Store[Tables]", name: str) -> int:
    entity, _, short = name.partition("/")
    with store.read() as tables:
        owner = tables.users.by_name(entity)
        found = tables.projects.by_name(short, owner["id"]) if owner is not None else None
    if found is None:
        raise ConfigError([Problem("--project", f"there is no project {name!r} here; give ENTITY/PROJECT")])
    return int(found["id"])
