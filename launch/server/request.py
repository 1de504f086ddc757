"""What every part of the server works with: the database, the blobs, the signer, the keys and the options.

And one request: who sends it, in which transaction it is answered, which projects its sender may see and change.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from launch.server.auth import THE_OWNER, Caller, Keyring
from launch.server.blobs import Blobs
from launch.server.clock import Clock
from launch.server.errors import FORBIDDEN, ApiError, NotFound
from launch.server.exports import Exports
from launch.server.facts import Facts
from launch.server.limits import ServeOptions
from launch.server.quotas import Quotas
from launch.server.selections import Selections
from launch.server.signing import Signer
from launch.server.starting import Telling
from launch.server.storage import Store, Tables, open_store
from launch.server.storage.artifacts import DELETED
from launch.server.storage.lines import HISTORY
from launch.server.storage.projects import WRITE
from launch.server.storage.runs import ALIVE
from launch.server.turns import Turns
from launch.server.views.kept import Kept
from launch.server.wire import checked_name

DEFAULT_PROJECT = "uncategorized"


@dataclass(frozen=True)
class Services:
    """One server's state. `leaving` is set once it is to stop: streams without an end come to one."""

    store: Store[Tables]
    blobs: Blobs
    signer: Signer
    keyring: Keyring
    options: ServeOptions
    clock: Clock
    draws: Turns = field(default_factory=Turns)
    commits: Turns = field(default_factory=Turns)
    selections: Selections = field(default_factory=Selections)
    quotas: Quotas = field(default_factory=Quotas)
    kept: Kept = field(default_factory=Kept)
    exports: Exports = field(default_factory=lambda: Exports(Path("exports")))
    leaving: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(
        cls, directory: Path, key: str, secret: bytes, options: ServeOptions, telling: Telling | None = None
    ) -> "Services":
        """Open the state in `directory`, made if it is new. `key` is the owner's API key.

        Whoever serves it holds the folder's lock and tells how far its start is (`instance`).

        Raises:
            SchemaError: a newer version of Sashiko wrote the database.
            Unusable: the database is none, is damaged, or cannot be read and written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        store = open_store(directory / "server.db", telling=telling)
        blobs = Blobs(directory / "blobs")
        keyring, clock = Keyring(store, key), Clock(options.pause_seconds)
        exports = Exports(directory / "exports")
        return cls(store, blobs, Signer(secret), keyring, options, clock, exports=exports)

    def close(self) -> None:
        """Close the database."""
        self.store.close()


class Request:
    """One request as resolvers see it: the services, the address it came to, and one transaction.

    The transaction opens at the first look at `tables`, so that long work on the request alone (expanding a
    grid) keeps nobody waiting. Use as a context manager: leaving it without an error commits.
    """

    def __init__(
        self,
        services: Services,
        base_url: str,
        *,
        writes: bool,
        caller: Caller = THE_OWNER,
        tables: Tables | None = None,
    ) -> None:
        """`tables`: those of a transaction that is open and stays somebody else's."""
        self.services = services
        self.caller = caller
        self.base_url = base_url
        self._writes = writes
        self._stack = ExitStack()
        self._tables = tables
        self._version = 0
        self._roles: dict[int, str | None] = {}
        self._projects: dict[int, sqlite3.Row | None] = {}
        self._collections: dict[int, sqlite3.Row | None] = {}
        self._facts: dict[int, Facts] = {}

    @property
    def version(self) -> int | None:
        """How often the database had been written when this request first looked at it; None if it writes itself.

        What is computed from `tables` is true of every later request that has the same version.
        """
        return None if self._writes or not self.in_transaction else self._version

    @property
    def tables(self) -> Tables:
        """The tables, inside this request's transaction."""
        if self._tables is None:
            store = self.services.store
            self._version = store.commits
            self._tables = self._stack.enter_context(store.write() if self._writes else store.read())
        return self._tables

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is open."""
        return self._tables is not None

    @contextmanager
    def aside(self, *, writes: bool) -> Iterator["Request"]:
        """A short transaction of the same sender, that ends before this one begins.

        Raises:
            RuntimeError: this one is open: the other would wait for it for ever.
        """
        if self.in_transaction:
            raise RuntimeError("what is done aside comes before the transaction begins")
        with Request(self.services, self.base_url, writes=writes, caller=self.caller) as other:
            yield other

    def hold(self, turn: AbstractContextManager[None]) -> None:
        """Wait for a turn and keep it until the transaction has ended.

        Raises:
            RuntimeError: the transaction is open; one that waits inside it can keep the holder from ending.
        """
        if self.in_transaction:
            raise RuntimeError("a turn is taken before the transaction begins")
        self._stack.enter_context(turn)

    # --- what the sender may do ------------------------------------------------------------------------------

    def sees(self, project_id: int) -> bool:
        """Whether the sender may read a project."""
        if self.caller.is_owner:
            return True
        if project_id not in self._roles:
            self._roles[project_id] = self.tables.projects.role(project_id, self.caller.user_id)
        return self._roles[project_id] is not None

    def sees_version(self, row: sqlite3.Row) -> bool:
        """Whether the sender may read a version of an artifact: where it was made, or where it is linked."""
        if row["state"] == DELETED:
            return False
        return self.sees(row["project_id"]) or any(map(self.sees, self.tables.memberships.projects(row["id"])))

    def changes(self, project_id: int) -> bool:
        """Whether the sender may change a project, as far as that is up to the project."""
        return self.sees(project_id) and (self.caller.is_owner or self._roles[project_id] == WRITE)

    def seen(self, row: sqlite3.Row | None) -> sqlite3.Row | None:
        """A row of a run, sweep, artifact or collection if the sender may read its project, else None."""
        return row if row is not None and self.sees(row["project_id"]) else None

    def changeable(self, row: sqlite3.Row | None, missing: str) -> sqlite3.Row:
        """A row of a run, sweep, agent, artifact or collection if the sender may change its project.

        Raises:
            NotFound: `missing`; there is none, or none that the sender may see, and nobody can tell which.
            ApiError: 403, the sender may only read it.
        """
        if row is None or not self.sees(row["project_id"]):
            raise NotFound(missing)
        self.must_change(row["project_id"])
        return row

    def must_change(self, project_id: int) -> None:
        """Let pass a sender who may change a project.

        Raises:
            NotFound: the sender may not even see it.
            ApiError: 403, the sender may only read it.
        """
        if self.caller.is_owner:
            return
        role = self.tables.projects.role(project_id, self.caller.user_id)
        if role is None:
            raise NotFound("there is no such project")
        if self.caller.read_only:
            raise ApiError("this key may only read", FORBIDDEN)
        if role != WRITE:
            raise ApiError(f"{self.caller.name} may read this project, not change it", FORBIDDEN)

    def project(self, entity: object, name: object) -> sqlite3.Row | None:
        """The project at an address, if it is there and the sender may see it. No entity means the sender's."""
        user_id = self._user_id(entity)
        row = None if user_id is None else self.tables.projects.by_name(str(name or DEFAULT_PROJECT), user_id)
        return row if row is not None and self.sees(row["id"]) else None

    def made_project(self, entity: object, name: object) -> tuple[sqlite3.Row, bool]:
        """The project at an address for changes, made if it is new, and whether this call made it.

        Raises:
            NotFound: the entity is unknown, or the project is not the sender's to see.
            ApiError: the name cannot be one, or the sender may not change it.
        """
        wanted = checked_name(name or DEFAULT_PROJECT, "project")
        user_id = self._user_id(entity)
        if user_id is None:
            raise NotFound(f"there is no entity {entity!r} on this server; leave it out to use your own")
        row = self.tables.projects.by_name(wanted, user_id)
        if row is not None and self.sees(row["id"]):
            self.must_change(row["id"])
            return row, False
        if user_id != self.caller.user_id and not self.caller.is_owner:
            raise NotFound(f"there is no project {entity}/{wanted} that {self.caller.name} may see")
        if self.caller.read_only:
            raise ApiError("this key may only read", FORBIDDEN)
        return self.tables.projects.make(wanted, user_id)

    def must_have_runs(self, project_id: int) -> None:
        """Let pass a new run of a project, if its owner's quota allows it.

        Raises:
            ApiError: 403, it does not.
        """
        project = self.project_of(project_id)
        if project is not None:
            self.services.quotas.must_have_runs(self.tables, project["user_id"], project["entity"])

    def must_have_room(self, project_id: int, size: int = 0) -> None:
        """Let pass what is to be stored in a project, if its owner's quota allows it.

        Raises:
            ApiError: 403, it does not.
        """
        project = self.project_of(project_id)
        if project is not None:
            self.services.quotas.must_have_room(self.tables, project["user_id"], project["entity"], size)

    def run_at(self, entity: object, project: object, name: object) -> sqlite3.Row:
        """The run at an address, for changes.

        Raises:
            NotFound: there is none that the sender may see.
            ApiError: 403, the sender may only read it.
        """
        found = self.project(entity, project)
        run = None if found is None else self.tables.runs.by_name(found["id"], str(name))
        return self.changeable(run, f"no run {entity or self.caller.name}/{project}/{name}")

    def _user_id(self, entity: object) -> int | None:
        if entity in (None, "", self.caller.name):
            return self.caller.user_id
        row = self.tables.users.by_name(str(entity))
        return None if row is None else int(row["id"])

    # --- what is looked up once for all that is answered ------------------------------------------------------

    def project_of(self, project_id: int) -> sqlite3.Row | None:
        """The project of a row."""
        if project_id not in self._projects:
            self._projects[project_id] = self.tables.projects.by_id(project_id)
        return self._projects[project_id]

    def collection_of(self, collection_id: int) -> sqlite3.Row | None:
        """The collection of a row; not remembered by a request that may change it."""
        if self._writes or collection_id not in self._collections:
            self._collections[collection_id] = self.tables.collections.by_id(collection_id)
        return self._collections[collection_id]

    def together(self, run_ids: Iterable[int]) -> None:
        """These runs are told in one list: what is known of their histories is read for all at once."""
        keys = list(run_ids)
        self._facts.update(dict.fromkeys(keys, Facts(self.tables.lines, keys)))

    def facts(self, run_id: int) -> Facts:
        """What is known of a run's history."""
        return self._facts.get(run_id) or Facts(self.tables.lines, [run_id])

    def export(self, run: sqlite3.Row) -> Path | None:
        """The history of a run as a Parquet file; None if it lives, has no rows, or rows that are no table.

        None too on a server that does not offer them (`ServeOptions.parquet`).
        """
        if not self.services.options.parquet:
            return None
        count, step = self.facts(run["id"]).end(run["id"])
        if run["state"] in ALIVE or not count:
            return None
        state = f"{count}-{step}-{int(1e3 * run['heartbeat_at'])}"
        return self.services.exports.made(run["id"], state, lambda: self.tables.lines.texts(run["id"], HISTORY))

    # --- addresses for bytes ---------------------------------------------------------------------------------

    def upload_url(self, path: str) -> str:
        """A signed address to PUT to.

        Raises:
            RuntimeError: the request only reads; what is read never shows where to write.
        """
        if not self._writes:
            raise RuntimeError("a query has no business with addresses for uploads")
        return self.services.signer.url(self.base_url, "PUT", path, self.caller.user_id)

    def download_url(self, path: str) -> str:
        """A signed address to GET from."""
        return self.services.signer.url(self.base_url, "GET", path, self.caller.user_id)
