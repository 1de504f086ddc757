"""Events of a page: one stream a page, which says only what has changed since the event before.

A change is a function of a request, the parts of the address and the mark that it returned the time before (None
at first); it returns what is told now (None for nothing) and the next mark. It is asked every `PAUSE_S` seconds,
in a short reading of its own, so an open page holds neither a thread nor a transaction.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import anyio
import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from launch.server.browsers import page_reader
from launch.server.errors import ApiError
from launch.server.request import Request, Services
from launch.server.threads import Threads
from launch.server.views import projects, run_live, sweep
from launch.server.views.parts import Parts

Change = Callable[[Request, Mapping[str, str], Any], tuple[Any, Any]]
PAUSE_S, QUIET_S = 1.0, 15.0
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
CHANGES: Mapping[str, Change] = {
    "/{entity}/{project}": projects.changes,
    "/{entity}/{project}/runs": sweep.changes,
    "/{entity}/{project}/runs/{run}": run_live.changes,
    "/{entity}/{project}/sweeps/{sweep}": sweep.changes,
}
"""What each address tells of."""


def routes() -> list[BaseRoute]:
    """The addresses."""
    return [Route(f"/view{address}/live", _events(change)) for address, change in CHANGES.items()]


def _events(change: Change) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def listen(http: HttpRequest) -> Response:
        first = await _look(http, change, None)  # what is refused is refused before the answer begins
        return StreamingResponse(_stream(http, change, first), media_type="text/event-stream", headers=HEADERS)

    return listen


async def _look(http: HttpRequest, change: Change, mark: Any) -> tuple[Any, Any]:
    services: Services = http.app.state.services
    threads: Threads = http.app.state.threads

    def look() -> tuple[Any, Any]:
        with Request(services, "", writes=False, caller=page_reader(http)) as request:
            return change(request, Parts.of(http), mark)

    return await threads.for_reads(look)


async def _stream(http: HttpRequest, change: Change, first: tuple[Any, Any]) -> AsyncIterator[bytes]:
    """The events, until the browser or the server goes; until the session or what is read is gone, too."""
    (told, mark), quiet = first, 0.0
    services: Services = http.app.state.services
    while not services.leaving.is_set():
        if told is not None:
            yield b"data: " + orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS) + b"\n\n"
            quiet = 0.0
        elif quiet >= QUIET_S:
            yield b": still here\n\n"
            quiet = 0.0
        await anyio.sleep(PAUSE_S)
        quiet += PAUSE_S
        try:
            told, mark = await _look(http, change, mark)
        except ApiError:
            return
