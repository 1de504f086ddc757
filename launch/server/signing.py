"""Addresses that work for a while without an API key: for uploads and downloads, which the client sends bare.

A signature covers the method, the path, the user it was made for and the time at which it ends; nothing else of
the request matters. What that user may do is asked again when the address is used. This module does not know what
lies behind a path.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from launch.server.errors import FORBIDDEN, ApiError
from launch.server.limits import AHEAD_SECONDS, SIGNED_SECONDS


class Signer:
    """Signs and checks addresses with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def name(self) -> str:
        """A name of the server that stays when its address does not; it tells nothing of the secret."""
        return hmac.new(self._secret, b"name", hashlib.sha256).hexdigest()[:20]

    def url(self, base: str, method: str, path: str, user_id: int, seconds: float = SIGNED_SECONDS) -> str:
        """`base` + `path` (unquoted, with a leading slash) with a signature that ends after `seconds`."""
        expires = int(time.time() + seconds)
        query = urlencode(
            {"by": user_id, "expires": expires, "sig": self._signature(method, path, user_id, expires)}
        )
        return f"{base}{quote(path)}?{query}"

    def check(self, method: str, path: str, query: Mapping[str, str]) -> int:
        """Let pass a request whose signature is good; the user that the address was made for.

        Raises:
            ApiError: 403, the signature is missing, made for something else, or has ended.
        """
        expires, user, given = query.get("expires", ""), query.get("by", ""), query.get("sig", "")
        if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in (expires, user)):
            raise ApiError("this address carries no signature", FORBIDDEN)
        wanted = self._signature(method, path, int(user), int(expires))
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise ApiError("the signature of this address is not valid for this request", FORBIDDEN)
        if not 0 <= int(expires) - time.time() <= SIGNED_SECONDS + AHEAD_SECONDS:  # beyond: the clock was ahead
            raise ApiError("this address has expired; ask for a new one", FORBIDDEN)
        return int(user)

    def _signature(self, method: str, path: str, user_id: int, expires: int) -> str:
        text = f"{method}\n{path}\n{user_id}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
