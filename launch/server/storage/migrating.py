"""Migrations: numbered steps of DDL, all the way in one transaction or not at all, with a copy of what was before.

A step that has landed is never edited, only followed (`amended` has what became of two that were). This module
does not know what the tables mean.
"""

import contextlib
import fcntl
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from launch.server import halting, opening, starting
from launch.server.opening import SchemaError
from launch.server.starting import Telling
from launch.server.storage import amended, keeping

BEAT = 1_000_000
"""Steps of SQLite's machine after which a migration tells that it goes on."""
Steps = Mapping[int, str]
"""DDL by number. Numbers count up across the whole schema; a published step is never edited, only followed."""


def to_the_terminal(line: str) -> None:
    """Say something on standard error."""
    sys.stderr.write(f"sashiko: {line}\n")
    sys.stderr.flush()


def latest_of(schema: Sequence[Steps]) -> int:
    """The number of the newest step."""
    return max(number for steps in schema for number in steps)


def migrate(
    connection: sqlite3.Connection,
    schema: Sequence[Steps],
    before: Callable[[int], None] = lambda found: None,
    each: Callable[[], None] = lambda: None,
) -> None:
    """Bring a database to the newest schema: all the way in one transaction, or not at all.

    `before` is called with the number of the schema that was found, once nobody else can write and before anything
    is changed; not for a database that is new. `each` is called before each statement.

    Raises:
        SchemaError: the file was written by a newer version.
    """
    latest = latest_of(schema)
    if not _lacking(connection, schema):
        return
    connection.execute("PRAGMA foreign_keys = OFF")  # a table that is rebuilt must not take its children along
    connection.execute("BEGIN IMMEDIATE")
    try:
        scripts = _lacking(connection, schema)  # another process may have been first
        if scripts and (found := _version(connection)):
            before(found)
        for statement in chain.from_iterable(map(_statements, scripts)):
            each()
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {latest}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("PRAGMA foreign_keys = ON")


def _lacking(connection: sqlite3.Connection, schema: Sequence[Steps]) -> list[str]:
    """The scripts that a database has not run, in order."""
    version, latest = _version(connection), latest_of(schema)
    if version > latest:
        raise SchemaError(
            f"this database has schema {version}, newer than the {latest} that this version of Sashiko knows: "
            "update Sashiko, or serve another folder"
        )
    numbers = range(version + 1, latest + 1)
    return [
        *amended.scripts(connection, version),
        *(steps[number] for number in numbers for steps in schema if number in steps),
    ]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """A script, statement by statement; `executescript` would end the transaction that it is in."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):  # not inside of a trigger
            yield statement
            statement = ""
    if rest := script.rpartition(";")[2].strip():
        raise ValueError(f"a step of the schema ends without a semicolon: {rest}")


def bring_up_to_date(
    path: Path,
    connection: sqlite3.Connection,
    schema: Sequence[Steps],
    *,
    telling: Telling | None,
    say: Callable[[str], None],
) -> None:
    """Migrate a database, with a copy of what was there before; once it is done, that is said.

    Raises:
        Interrupted: SIGINT or SIGTERM came meanwhile; the database is as it was, or wholly up to date.
    """
    latest, told = latest_of(schema), list[str]()
    check: Callable[[], None] = _go_on
    with contextlib.ExitStack() as held:

        def before(found: int) -> None:
            nonlocal check
            check = held.enter_context(halting.by_signals(connection))
            tell = telling or held.enter_context(_folder_of(path))
            keeping.must_have_room(path, latest)

            def copying(done: float) -> None:
                check()
                tell(f"copies {path.name}{_size(path)} before it is brought from schema {found} to {latest}", done)

            kept = keeping.keep(path, latest, copying)
            tell(f"brings {path.name}{_size(path)} from schema {found} to {latest}")
            connection.set_progress_handler(tell, BEAT)
            held.callback(connection.set_progress_handler, None, 0)
            told.append(
                f"{path} is brought from schema {found} to {latest}; as it was it is kept in {kept}. To go"
                f" back: stop the server, delete {path.name}-wal and {path.name}-shm, move that copy to where"
                f" {path.name} is, and serve the folder with the older Sashiko. To stay: nothing; after 30"
                " days `sashiko serve prune` deletes it, if `verify` has found nothing wrong since"
            )

        def each() -> None:
            check()

        migrate(connection, schema, before, each)
    for line in told:
        say(line)


def _go_on() -> None:
    """Nobody has asked for an end."""


def _size(path: Path) -> str:
    return f" ({path.stat().st_size / 1e6:,.0f} MB)"


@contextmanager
def _folder_of(path: Path) -> Iterator[Telling]:
    """Hold the folder of a database, which no server may be serving meanwhile, and tell what is done with it."""
    with (path.parent / opening.LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SchemaError(
                f"{path} is of an older version, and a server of that version is serving it: stop that one first"
            ) from error
        with starting.telling(path.parent, serves=False) as tell:
            yield tell
