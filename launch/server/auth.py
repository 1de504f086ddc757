"""Who sends a request: the API key in it (HTTP Basic, any user name), and the user that the key belongs to.

The owner's key is a file of the served folder and is good from this machine only; every other key belongs to a
user that was added. This module does not know what a user may do: `services.Request` does.
"""

import base64
import binascii
import hmac
import time
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from launch.server.errors import FORBIDDEN, UNAUTHORIZED, ApiError
from launch.server.storage import Store, Tables
from launch.server.storage.users import OWNER, digest_of
from launch.server.wire import ENTITY

REMEMBERED_SECONDS = 2.0
"""How long a key that was looked up is not looked up again; so long a key that was taken back still works."""
MOST_REMEMBERED = 10_000
LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True)
class Caller:
    """The user behind a request. `is_owner`: to whom the folder belongs, who may do everything."""

    user_id: int
    name: str
    read_only: bool = False
    is_owner: bool = False


THE_OWNER = Caller(OWNER, ENTITY, is_owner=True)


class Keyring:
    """Finds the caller of a request by its key."""

    def __init__(self, store: Store[Tables], owner_key: str) -> None:
        self._store = store
        self.owner_key = owner_key
        self._known: dict[str, tuple[float, Caller | None]] = {}

    def identify(self, header: str | None, *, from_here: bool = True) -> Caller:
        """The caller that an `Authorization` header names; `from_here`: it was sent on the server's own machine.

        Raises:
            ApiError: 401, there is no key in it or an unknown one; 403, the owner's key comes from elsewhere.
        """
        if header is None:
            raise ApiError("this needs an API key of this server: run `wandb login --host …`", UNAUTHORIZED)
        key = key_in(header)
        if hmac.compare_digest(key.encode(), self.owner_key.encode()):
            if not from_here:
                raise ApiError(
                    "the owner's key is good on the server's own machine only: use the key of a user,"
                    " made with `sashiko serve user add NAME`",
                    FORBIDDEN,
                )
            return THE_OWNER
        caller = self._looked_up(key)
        if caller is None:
            raise ApiError(
                "this is not an API key of this server; the owner's is in the file `api_key` of the folder"
                " it serves, a user's was shown once when it was made",
                UNAUTHORIZED,
            )
        return caller

    def _looked_up(self, key: str) -> Caller | None:
        digest, now = digest_of(key), time.monotonic()
        until, caller = self._known.get(digest, (0.0, None))
        if now < until:
            return caller
        with self._store.read() as tables:
            row = tables.users.by_key(key)
        caller = None if row is None else Caller(row["id"], row["name"], bool(row["read_only"]))
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (now + REMEMBERED_SECONDS, caller)
        return caller


def caller_of(http: HTTPConnection) -> Caller:
    """The caller of a request.

    Raises:
        ApiError: see `Keyring.identify`.
    """
    keyring: Keyring = http.app.state.services.keyring
    return keyring.identify(http.headers.get("authorization"), from_here=is_local(http))


def is_local(http: HTTPConnection) -> bool:
    """Whether a request comes from the server's own machine: from loopback, or from the address it went to.

    One that a proxy passes on does only if nobody on its way was elsewhere.
    """
    peer = http.client.host if http.client else ""
    passed_on = http.headers.get("x-forwarded-for")
    if passed_on is not None and not all(part.strip().startswith(LOOPBACK) for part in passed_on.split(",")):
        return False
    return peer.startswith(LOOPBACK) or peer == (http.scope.get("server") or ("",))[0]


def key_in(header: str) -> str:
    """The API key in an `Authorization` header, whatever the user name beside it; empty if there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
