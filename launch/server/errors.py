"""The one shape in which the server says that something went wrong.

Every refusal, from every endpoint, is `{"errors": [{"message": …}], "error": …}`: `errors` is what GraphQL
clients read, `error` what a person reads with curl. This module does not know who raises what.

The `wandb` client gives up at once on 400 401 403 404 409 410 413 422 501 and retries every other status, so a
status from that list means "this will not get better", any other "try again".
"""

from typing import Any

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413
UNPROCESSABLE = 422
NO_SPACE = 507


class ApiError(Exception):
    """A refusal that is told to the client with an HTTP status."""

    def __init__(self, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class NotFound(ApiError):
    """What was asked for is not here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, NOT_FOUND)


class TooLarge(ApiError):
    """A body above its bound (see `limits`)."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} is larger than the {limit:,} bytes that this server takes", TOO_LARGE)


class DiskFull(ApiError):
    """No space is left where the server keeps its data.

    For rows and claims the status is 507: clients keep what they have and try again until there is room. For
    the upload of a file it is 413 (`transfer`): the client would try a 507 for many minutes, and the run is to
    fail instead.
    """

    def __init__(self, where: object, status: int = NO_SPACE) -> None:
        super().__init__(f"no space left on the device of {where}: nothing was stored", status)


def error_body(message: str) -> dict[str, Any]:
    """The body of every refusal."""
    return {"data": None, "errors": [{"message": message}], "error": message}
