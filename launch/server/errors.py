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
TIMED_OUT = 408
CONFLICT = 409
GONE = 410
LENGTH_REQUIRED = 411
TOO_LARGE = 413
UNSUPPORTED = 415
UNPROCESSABLE = 422
TOO_MANY = 429
NOT_IMPLEMENTED = 501
UNAVAILABLE = 503
NO_SPACE = 507
LONGEST_MESSAGE = 1_500


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


class TooSlow(ApiError):
    """A body that stopped coming. The client tries again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request's body did not arrive within {seconds:.0f} s", TIMED_OUT)


class DiskFull(ApiError):
    """No space is left where the server keeps its data.

    For rows and claims the status is 507: clients keep what they have and try again until there is room. For
    the upload of a file it is 413 (`transfer`): the client would try a 507 for many minutes, and the run is to
    fail instead.
    """

    def __init__(self, status: int = NO_SPACE) -> None:
        super().__init__("no space left on the server's disk: nothing was stored", status)


class RowsLost(ApiError):
    """Rows that have aged are in a file that is not there or cannot be read. It will not get better by itself."""

    def __init__(self, first: int, last: int, blob: str) -> None:
        super().__init__(
            f"lines {first} to {last} are in the file blobs/{blob[:2]}/{blob}, which cannot be read: put it there"
            " from a backup (`sashiko serve verify` names all that is missing or damaged)",
            GONE,
        )


class Busy(ApiError):
    """Another process holds the database. The client tries again."""

    def __init__(self, where: object, seconds: float) -> None:
        super().__init__(f"the database of {where} was in use for {seconds:.0f} s: try again", UNAVAILABLE)


class Stopping(ApiError):
    """The server is about to end. The client tries again, and finds the next one."""

    def __init__(self) -> None:
        super().__init__("this server is stopping: try again", UNAVAILABLE)


class Interrupted(ApiError):
    """What was begun is not what it was any more. The client tries again."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: try again", UNAVAILABLE)


def error_body(message: str) -> dict[str, Any]:
    """The body of every refusal. What it quotes of a request is cut, and made safe to write."""
    shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"
    shown = shown.encode(errors="replace").decode()
    return {"data": None, "errors": [{"message": shown}], "error": shown}
