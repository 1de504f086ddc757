"""What every part of the server works with: the database, the blobs, the signer and the options."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from launch.server.blobs import Blobs
from launch.server.limits import ServeOptions
from launch.server.signing import Signer
from launch.server.storage import Store, Tables, open_store


@dataclass(frozen=True)
class Services:
    """One server's state. `key` is the API key that clients must send."""

    store: Store[Tables]
    blobs: Blobs
    signer: Signer
    key: str
    options: ServeOptions

    @classmethod
    def open(cls, directory: Path, key: str, secret: bytes, options: ServeOptions) -> "Services":
        """Open the state in `directory`, made if it is new.

        Raises:
            SchemaError: a newer version of Sashiko wrote the database.
        """
        blobs = Blobs(directory / "blobs")
        return cls(open_store(directory / "server.db"), blobs, Signer(secret), key, options)

    def close(self) -> None:
        """Close the database."""
        self.store.close()


class Request:
    """One request as resolvers see it: the services, the address it came to, and one transaction.

    The transaction opens at the first look at `tables`, so that long work on the request alone (expanding a
    grid) keeps nobody waiting. Use as a context manager: leaving it without an error commits.
    """

    def __init__(self, services: Services, base_url: str, *, writes: bool) -> None:
        self.services = services
        self.base_url = base_url
        self._writes = writes
        self._stack = ExitStack()
        self._tables: Tables | None = None

    @property
    def tables(self) -> Tables:
        """The tables, inside this request's transaction."""
        if self._tables is None:
            store = self.services.store
            self._tables = self._stack.enter_context(store.write() if self._writes else store.read())
        return self._tables

    def __enter__(self) -> Self:
        self._stack.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def upload_url(self, path: str) -> str:
        """A signed address to PUT to."""
        return self.services.signer.url(self.base_url, "PUT", path)

    def download_url(self, path: str) -> str:
        """A signed address to GET from."""
        return self.services.signer.url(self.base_url, "GET", path)
