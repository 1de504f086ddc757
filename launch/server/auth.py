"""The API key in a request: HTTP Basic, user `api`. Knows one key and nothing else."""

import base64
import binascii
import hmac

from launch.server.errors import UNAUTHORIZED, ApiError


def check(key: str, header: str | None) -> None:
    """Let pass a request that carries the key.

    Raises:
        ApiError: 401, it carries none or another one.
    """
    if header is None:
        raise ApiError("this needs the API key of this server: run `wandb login --host …`", UNAUTHORIZED)
    scheme, _, value = header.partition(" ")
    given = ""
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise ApiError(
            "this is not the API key of this server; it is in the file `api_key` of the folder it serves",
            UNAUTHORIZED,
        )
