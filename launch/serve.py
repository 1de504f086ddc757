"""sashiko serve: the embedded server as a command, its users, and the care of its folder."""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from framework.errors import ConfigError, Problem, RunsFailed, TrackerError
from framework.tracking import logs
from launch import embedded, keeping
from launch.telling import JsonOption, answering

if TYPE_CHECKING:
    from launch.server.storage import Store, Tables

T = TypeVar("T")
app = typer.Typer(invoke_without_command=True, no_args_is_help=False, rich_markup_mode=None)
users = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(users, name="user", help="The people who may use the server besides its owner, and their keys.")

DEFAULT_DIRECTORY = Path(".sashiko")
LAB_RATE = 100.0
KEY_BYTES = 20
RESERVED = frozenset(
    {
        "graphql",
        "files",
        "storage",
        "artifacts",
        "artifactsv2",
        "healthz",
        "static",
        "bulk",
        "view",
        "change",
        "authorize",
        "login",
        "logout",
        "sdk",
        "local",
    }
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user, and of its entity.")]
ReadOnlyOption = Annotated[bool, typer.Option("--read-only", help="A key that can change nothing.")]


@app.callback()
def serve(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("--dir", readable=False, help="Folder of the embedded server.")
    ] = DEFAULT_DIRECTORY,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for a lab.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one; default: where the folder was served last, or 8765."),
    ] = None,
    url: Annotated[
        str, typer.Option(help="How others reach it, behind a proxy or by name: https://wandb.lab.example")
    ] = "",
    certificate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS certificate chain, PEM.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its private key, PEM.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Requests a second and key before they wait; 0: no limit (a lab: 100)."),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the server that runs in the folder.")] = False,
) -> None:
    """Run the embedded W&B server of a folder in the foreground; or look after the folder and its users."""
    embedded.require()
    context.obj = directory
    if context.invoked_subcommand is not None:
        return
    from launch import choice, server

    if stop:
        pid = choice.stop(directory)
        typer.echo(f"stopped the server of {directory} (pid {pid})")
        return
    if (certificate is None) != (private_key is None):
        raise ConfigError([Problem("--certificate", "TLS needs both --certificate and --private-key")])
    if port is None:
        port = server.last_port(directory) or choice.PORT
    address = server.Address(host, port, certificate, private_key, url.rstrip("/") or None)
    lab = not address.is_loopback or address.public is not None
    chosen = (LAB_RATE if lab else 0.0) if rate is None else rate
    options = replace(server.ServeOptions.from_environment(), lab=lab, rate=chosen)

    def ready(info: server.ServerInfo) -> None:
        if logs.TERMINAL not in os.environ:
            logs.set_up("WARNING")  # they stand in the log of the server, too; what ends a start is said once
        typer.echo(f"serving {info.directory} at {info.url} (listening on port {info.port})")
        if lab:
            where = address.public or f"{address.scheme}://THIS-MACHINE:{info.port}"
            typer.echo(f"others log in with: wandb login --host {where}, and the key of their user")
        typer.echo(f'point a shell at it with: eval "$(sashiko env --dir {directory})"')

    logs.into(directory)
    server.serve(directory, address, on_ready=ready, options=options)


@app.command()
def backup(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; a folder that can be served itself.")],
) -> None:
    """Copy the folder, also while it is served. Into a folder with a backup only what is new is copied."""
    from launch.server import opening, upkeep

    with opening.told(context.obj / upkeep.DATABASE):
        files, size = upkeep.backup(context.obj, to)
    typer.echo(f"backed up {context.obj} to {to}: the database, and {files} new files ({size / 1e6:.1f} MB)")


@app.command()
def verify(context: typer.Context, as_json: JsonOption = False) -> None:
    """Read everything in the folder and check each digest, size and row; exit code 1 if anything is wrong.

    An archive is checked by `sashiko verify FILE`.
    """
    from launch.server import opening, upkeep

    with answering(as_json=as_json) as answer:
        with opening.told(context.obj / upkeep.DATABASE):
            report = upkeep.verify(context.obj)
        answer(report)
        for problem in report.problems:
            typer.echo(f"wrong: {problem}", err=True)
        for copy in report.copies:
            typer.echo(f"{copy.told}: {copy.stays or '`prune` deletes it'}")
        typer.echo(
            f"{report.files} files ({report.size / 1e6:.1f} MB), {report.unused} of them not named by anything"
        )
        if report.problems:
            raise RunsFailed(f"{len(report.problems)} problems in {context.obj}")
        typer.echo("all digests, sizes and rows are right")


@app.command()
def prune(context: typer.Context) -> None:
    """Delete the bytes of deleted runs and artifacts that nothing else needs, if they are more than a day old.

    Also copies of the database from before upgrades, once they are 30 days old and the folder was verified since.
    """
    from launch.server import copies, opening, upkeep

    with opening.told(context.obj / upkeep.DATABASE):
        files, size = upkeep.prune(context.obj)
        gone = copies.prune(context.obj)
    typer.echo(f"deleted {files} files ({size / 1e6:.1f} MB)")
    for copy in gone:
        typer.echo(f"deleted {copy.told}")
    for copy in copies.listed(context.obj):
        typer.echo(f"kept {copy.told}: {copy.stays}")


for command in (keeping.age, keeping.compact, keeping.retain):
    app.command()(command)


@app.command()
def usage(context: typer.Context) -> None:
    """List what each user keeps: runs, and bytes of rows, texts, files and artifacts; and the quotas."""
    from launch.server.quotas import told
    from launch.show import print_rows

    with _store(context) as store, store.read() as tables:
        rows = list(tables.usage.listed())

    def most(value: int | None, show: Callable[[int], str]) -> str:
        return "" if value is None else f" of {show(value)}"

    print_rows(
        [
            {
                "user": row["name"],
                "runs": f"{row['runs']:,}{most(row['most_runs'], '{:,}'.format)}",
                "rows": told(row["rows"]),
                "texts": told(row["texts"]),
                "files": told(row["files"]),
                "artifacts": told(row["artifacts"]),
                "all": f"{told(row['bytes'])}{most(row['most_bytes'], told)}",
            }
            for row in rows
        ]
    )


@app.command()
def quota(
    context: typer.Context,
    name: NameArgument,
    runs: Annotated[str | None, typer.Option(help="Runs that the user may keep; none: no end.")] = None,
    size: Annotated[str | None, typer.Option("--bytes", help="Bytes: 50GB, 1.5TB; none: no end.")] = None,
) -> None:
    """Say how much a user may keep. Over it the user begins nothing new; what is under way goes on."""
    from launch.server.quotas import told

    most_runs, most_bytes = _amount("--runs", runs), _amount("--bytes", size)

    def change(tables: "Tables") -> tuple[int | None, int | None]:
        key = _user(tables, name)
        old = tables.usage.quota(key)
        kept = (None, None) if old is None else (old["runs"], old["bytes"])
        new = (kept[0] if runs is None else most_runs, kept[1] if size is None else most_bytes)
        tables.usage.limit(key, runs=new[0], size=new[1])
        return new

    new_runs, new_bytes = _change(context, change)
    shown = (
        "any number of runs" if new_runs is None else f"{new_runs:,} runs",
        "any number of bytes" if new_bytes is None else told(new_bytes),
    )
    typer.echo(f"{name} may keep {' and '.join(shown)}")


def _amount(option: str, text: str | None) -> int | None:
    from launch.server.quotas import parsed

    if text is None:
        return None
    try:
        return parsed(text)
    except ValueError as error:
        message = f"must be a number such as 10000, 50GB or 1.5TB, or none; not {text!r}"
        raise ConfigError([Problem(option, message)]) from error


@users.command("add")
def add_user(context: typer.Context, name: NameArgument, read_only: ReadOnlyOption = False) -> None:
    """Add a user and print its key, this once: only a hash of it is kept."""

    def add(tables: "Tables") -> str:
        if tables.users.by_name(_checked(name)) is not None:
            raise TrackerError(f"there is a user {name} already; a further key: sashiko serve user key {name}")
        return _new_key(tables, tables.users.add(name), read_only=read_only)

    typer.echo(f"user {name}; key, shown this once: {_change(context, add)}")


@users.command("key")
def add_key(context: typer.Context, name: NameArgument, read_only: ReadOnlyOption = False) -> None:
    """Print a further key of a user, this once."""

    def add(tables: "Tables") -> str:
        return _new_key(tables, _user(tables, name), read_only=read_only)

    typer.echo(f"user {name}; key, shown this once: {_change(context, add)}")


@users.command("revoke")
def revoke(
    context: typer.Context,
    name: NameArgument,
    ending: Annotated[str | None, typer.Argument(help="Its last four characters; all keys if left out.")] = None,
) -> None:
    """Take back the keys of a user, or one of them. The user's projects stay."""
    gone = _change(context, lambda tables: tables.users.drop_keys(_user(tables, name), ending))
    typer.echo(f"user {name}: {gone} key{'' if gone == 1 else 's'} taken back")


@users.command("list")
def list_users(context: typer.Context) -> None:
    """List the users with the ends of their keys."""
    from launch.show import print_rows

    with _store(context) as store, store.read() as tables:
        rows = list(tables.users.listed())
    if not rows:
        typer.echo("no users yet: sashiko serve user add NAME")
        return
    print_rows([{"user": row["name"], "projects": row["projects"], "keys": row["hints"] or "-"} for row in rows])


@users.command("share")
def share(
    context: typer.Context,
    project: Annotated[str, typer.Argument(metavar="ENTITY/PROJECT")],
    name: NameArgument,
    role: Annotated[str, typer.Option("--role", help="read, write, or none to take it back.")] = "read",
) -> None:
    """Let a user read or write a project of another one."""
    if role not in ("read", "write", "none"):
        raise ConfigError([Problem("--role", f"must be read, write or none, not {role!r}")])

    def change(tables: "Tables") -> None:
        entity, _, short = project.partition("/")
        owner = tables.users.by_name(entity)
        found = tables.projects.by_name(short, owner["id"]) if owner is not None else None
        if found is None:
            raise TrackerError(f"there is no project {project}; a project is made by its first run or sweep")
        tables.projects.share(found["id"], _user(tables, name), None if role == "none" else role)

    _change(context, change)
    typer.echo(f"{name}: {role} on {project}")


def _change(context: typer.Context, work: "Callable[[Tables], T]") -> T:
    with _store(context) as store, store.write() as tables:
        return work(tables)


@contextmanager
def _store(context: typer.Context) -> "Iterator[Store[Tables]]":
    from launch.server import folder

    directory: Path = context.obj
    folder.prepare(directory)
    with keeping.store_at(directory / "server.db") as store:
        yield store


def _user(tables: "Tables", name: str) -> int:
    row: sqlite3.Row | None = tables.users.by_name(name)
    if row is None or name == "local":
        known = ", ".join(item["name"] for item in tables.users.listed()) or "none yet"
        raise TrackerError(f"there is no user {name!r}; users: {known}")
    return int(row["id"])


def _new_key(tables: "Tables", user_id: int, *, read_only: bool) -> str:
    key = secrets.token_hex(KEY_BYTES)
    tables.users.add_key(user_id, key, read_only=read_only)
    return key


def _checked(name: str) -> str:
    good = 0 < len(name) <= 64 and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not good or name.lower() in RESERVED:
        message = f"must be letters, digits, - and _ (at most 64), and none of {', '.join(sorted(RESERVED))}"
        raise ConfigError([Problem("NAME", f"{message}; not {name!r}")])
    return name
