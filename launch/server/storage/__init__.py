"""The tables of the server, one storage class a concept; `Tables` holds one of each on one connection."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from launch.server import opening
from launch.server.opening import SchemaError, Unusable
from launch.server.starting import Telling
from launch.server.storage.aged import Aged
from launch.server.storage.agents import Agents
from launch.server.storage.arrivals import Arrivals
from launch.server.storage.artifacts import Artifacts
from launch.server.storage.bulk import Bulk
from launch.server.storage.collections import Collections
from launch.server.storage.curves import Curves
from launch.server.storage.files import Files
from launch.server.storage.lines import Lines
from launch.server.storage.manifests import Manifests
from launch.server.storage.memberships import Memberships
from launch.server.storage.points import Points
from launch.server.storage.projects import Projects
from launch.server.storage.restored import Restored
from launch.server.storage.retained import Retained
from launch.server.storage.rungs import Rungs
from launch.server.storage.runs import Runs
from launch.server.storage.sessions import Sessions
from launch.server.storage.store import Store, latest_of
from launch.server.storage.sweeps import Sweeps
from launch.server.storage.usage import Usage
from launch.server.storage.users import Users
from launch.server.storage.writers import Writers

SCHEMA = tuple(
    concept.MIGRATIONS
    for concept in (
        Users,
        Projects,
        Sweeps,
        Agents,
        Runs,
        Points,
        Rungs,
        Lines,
        Curves,
        Files,
        Collections,
        Artifacts,
        Arrivals,
        Memberships,
        Manifests,
        Writers,
        Sessions,
        Usage,
        Aged,
    )
)

BLOBS = "blobs"
"""The folder beside the database in which files are, by their digests."""

__all__ = [
    "SCHEMA",
    "SchemaError",
    "Store",
    "Tables",
    "Unusable",
    "must_be_current",
    "must_not_be_newer",
    "open_store",
]


class Tables:
    """Every concept's storage on one connection; lives inside a transaction of `Store`."""

    def __init__(self, db: sqlite3.Connection, place: Callable[[str], Path]) -> None:
        self.users = Users(db)
        self.projects = Projects(db)
        self.sweeps = Sweeps(db)
        self.agents = Agents(db)
        self.runs = Runs(db)
        self.points = Points(db)
        self.rungs = Rungs(db)
        self.aged = Aged(db, place)
        self.lines = Lines(db, self.aged)
        self.curves = Curves(db, self.aged)
        self.files = Files(db)
        self.collections = Collections(db)
        self.artifacts = Artifacts(db)
        self.arrivals = Arrivals(db)
        self.memberships = Memberships(db)
        self.manifests = Manifests(db)
        self.writers = Writers(db)
        self.sessions = Sessions(db)
        self.usage = Usage(db)
        self.bulk = Bulk(db, self.aged)
        self.restored = Restored(db)
        self.retained = Retained(db)


def open_store(path: Path, *, telling: Telling | None = None) -> Store[Tables]:
    """Open the server's database, making or migrating it; a server that starts has it told how far that is.

    Raises:
        SchemaError: a newer version wrote it, or an older one is serving it.
        Unusable: it is no database, is damaged, or cannot be read and written.
    """
    blobs = path.parent / BLOBS
    return Store(path, SCHEMA, lambda db: Tables(db, lambda name: blobs / name[:2] / name), telling=telling)


def must_not_be_newer(path: Path) -> None:
    """Let pass a database that this version of the server can open; nothing is changed.

    Raises:
        SchemaError: a newer version wrote it.
        Unusable: it is no database, is damaged, or cannot be read.
    """
    opening.schema_of(path, latest_of(SCHEMA))


def must_be_current(path: Path) -> None:
    """Let pass a database that this version of the server need not migrate, to look at only.

    Raises:
        SchemaError: a newer version wrote it, or an older one.
        Unusable: it is no database, is damaged, or cannot be read.
    """
    opening.must_be_current(path, latest_of(SCHEMA))
