"""Bodies of requests: read whole, up to a bound, within a time."""

import anyio
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest

from launch.server.errors import ApiError, TooLarge, TooSlow
from launch.server.limits import BODY_SECONDS


async def whole_body(http: HttpRequest, limit: int, what: str = "the request") -> bytes:
    """The body of a request.

    Raises:
        ApiError: it is larger than `limit`, takes too long, or breaks off.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for piece in http.stream():
                size += len(piece)
                if size > limit:
                    raise TooLarge(what, limit)
                pieces.append(piece)
    except TimeoutError as error:
        raise TooSlow(BODY_SECONDS) from error
    except ClientDisconnect as error:
        raise ApiError("the request broke off") from error
    return b"".join(pieces)
