"""Addresses that work for a while without an API key: for uploads and downloads, which the client sends bare.

A signature covers the method, the path and the time at which it ends; nothing else of the request matters. This
module does not know what lies behind a path.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from launch.server.errors import FORBIDDEN, ApiError
from launch.server.limits import SIGNED_SECONDS


class Signer:
    """Signs and checks addresses with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def url(self, base: str, method: str, path: str, seconds: float = SIGNED_SECONDS) -> str:
        """`base` + `path` (unquoted, with a leading slash) with a signature that ends after `seconds`."""
        expires = int(time.time() + seconds)
        query = urlencode({"expires": expires, "sig": self._signature(method, path, expires)})
        return f"{base}{quote(path)}?{query}"

    def check(self, method: str, path: str, query: Mapping[str, str]) -> None:
        """Let pass a request whose signature is good.

        Raises:
            ApiError: 403, the signature is missing, made for something else, or has ended.
        """
        expires, given = query.get("expires", ""), query.get("sig", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
            raise ApiError("this address carries no signature", FORBIDDEN)
        wanted = self._signature(method, path, int(expires))
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise ApiError("the signature of this address is not valid for this request", FORBIDDEN)
        if time.time() > int(expires):
            raise ApiError("this address has expired; ask for a new one", FORBIDDEN)

    def _signature(self, method: str, path: str, expires: int) -> str:
        text = f"{method}\n{path}\n{expires}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()
