"""The addresses of what goes in and out in bulk. What a part holds is elsewhere.

What goes out is a stream of any length: each page is read when the one before has been sent, so a client that
reads slowly holds one page, and a client that does not read is cut off.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.datastructures import QueryParams
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from launch.server.answers import Slot
from launch.server.auth import Caller, caller_of
from launch.server.bulk import intake, mirrored, reading
from launch.server.bulk.parts import packed
from launch.server.bulk.reading import STREAMS, Page, Place
from launch.server.errors import ApiError, NotFound
from launch.server.limits import ANSWER_SECONDS
from launch.server.request import Request, Services
from launch.server.storage.bulk import Which
from launch.server.threads import Threads

logger = logging.getLogger(__name__)
VERSION = 1
"""Which form of this a client finds; a newer one that an older client cannot read gets another number."""
Read = Callable[[Request, int, Place], Page]
T = TypeVar("T")


def routes() -> list[BaseRoute]:
    """The addresses."""
    home = "/bulk/{entity}/{project}"
    return [
        Route("/bulk", offer),
        Route(f"{home}/project", project),
        Route(f"{home}/index", index),
        Route(f"{home}/runs", runs),
        Route(f"{home}/tables", tables),
        Route(f"{home}/sweeps", sweeps),
        Route(f"{home}/artifacts", versions),
        Route(f"{home}/blob", intake.blob, methods=["PUT"]),
        Route(f"{home}/restore", intake.restore, methods=["POST"]),
    ]


async def offer(http: HttpRequest) -> Response:
    """Say that there is such a thing."""
    caller = caller_of(http)
    services: Services = http.app.state.services
    told = {"bulk": VERSION, "server": "sashiko", "id": services.signer.name, "entity": caller.name}
    return JSONResponse(told)


async def project(http: HttpRequest) -> Response:
    """What a project is, and how much is in it."""
    which = _which(http.query_params)

    def look(request: Request) -> dict[str, object]:
        row = _project(request, http)
        some = which(request, row["id"])
        return {
            "entity": row["entity"], "name": row["name"], "description": row["description"],
            "created_at": row["created_at"], "runs_made": row["runs_made"],
            "runs": request.tables.bulk.count(some),
        }  # fmt: skip

    return JSONResponse(await _in_thread(http, caller_of(http), look))


async def runs(http: HttpRequest) -> Response:
    """Whole runs: of some sweeps (`sweep`), with some names (`run`), heard of `since`; `after` a key."""
    which = _which(http.query_params)
    streams = http.query_params.get("streams")
    wanted = STREAMS if streams is None else tuple(name for name in streams.split(",") if name)
    if unknown := set(wanted) - set(STREAMS):
        raise ApiError(f"streams is {sorted(unknown)}; allowed: {', '.join(STREAMS)}, separated by commas")
    return await _sent(http, lambda request, key, at: reading.runs(request, which(request, key), at, wanted))


async def index(http: HttpRequest) -> Response:
    """A line for each run, which is another one once anything of the run has changed."""
    which = _which(http.query_params)
    return await _sent(http, lambda request, key, at: mirrored.index(request, which(request, key), at))


async def tables(http: HttpRequest) -> Response:
    """The tables that runs logged, as the files in which they logged them; the bytes `only` of some."""
    which, only = _which(http.query_params), http.query_params.getlist("only") or None
    return await _sent(http, lambda request, key, at: mirrored.tables(request, which(request, key), at, only))


async def sweeps(http: HttpRequest) -> Response:
    """Whole sweeps: all, or some (`sweep`)."""
    names = _names(http.query_params, "sweep")
    return await _sent(http, lambda request, key, at: reading.sweeps(request, key, names, at))


async def versions(http: HttpRequest) -> Response:
    """Whole versions: all, or those that some runs made or used (`run`)."""
    names = _names(http.query_params, "run")
    return await _sent(http, lambda request, key, at: reading.versions(request, key, names, at))


def _names(query: QueryParams, key: str) -> str | None:
    found = query.getlist(key)
    return json.dumps(found) if found else None


def _which(query: QueryParams) -> Callable[[Request, int], Which]:
    since, wanted = query.get("since"), query.getlist("sweep")
    try:
        moment = None if since is None else float(since)
    except ValueError as error:
        raise ApiError(f"since is {since!r}; a time is seconds since 1970") from error
    names = _names(query, "run")

    def which(request: Request, project_id: int) -> Which:
        found = {name: request.tables.sweeps.by_name(project_id, name) for name in wanted}
        if missing := [name for name, row in found.items() if row is None]:
            raise NotFound(f"there is no sweep {missing[0][:80]!r} in this project")
        keys = [row["id"] for row in found.values() if row is not None]
        return Which(project_id, json.dumps(keys) if keys else None, moment, names)

    return which


def _project(request: Request, http: HttpRequest) -> sqlite3.Row:
    entity, name = http.path_params["entity"], http.path_params["project"]
    found = request.project(entity, name)
    if found is None:
        raise NotFound(f"there is no project {entity}/{name}")
    return found


async def _sent(http: HttpRequest, read: Read) -> Response:
    """The pages of a reading, the first of which is read before the answer begins."""
    caller, after = caller_of(http), http.query_params.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise ApiError(f"after is {after[:40]!r}; it is the key of the last one that came whole, or 0")

    async def page(place: Place) -> Page:
        return await _in_thread(http, caller, lambda request: read(request, _project(request, http)["id"], place))

    slot: Slot = http.app.state.answers.slot(caller.user_id)
    slot.take()
    try:
        first = await page(Place(int(after)))
    except BaseException:
        slot.give()
        raise
    return Pages(_pages(first, page), slot)


async def _pages(first: Page, page: Callable[[Place], Awaitable[Page]]) -> AsyncIterator[bytes]:
    """The pages, the next of which is read while one is sent."""
    found = first
    while found.then is not None:
        following = asyncio.ensure_future(page(found.then))
        try:
            if found.parts:
                yield b"".join(found.parts)
            found = await following
        finally:
            following.cancel()  # the client has gone
    yield b"".join([*found.parts, packed("end", b"")])


async def _in_thread(http: HttpRequest, caller: Caller, work: Callable[[Request], T]) -> T:
    services: Services = http.app.state.services
    threads: Threads = http.app.state.threads

    def look() -> T:
        with Request(services, "", writes=False, caller=caller) as request:
            return work(request)

    return await threads.for_reads(look)


class Pages(Response):
    """An answer that is read page by page while it is sent; at its end its place is given back."""

    media_type = "application/x-sashiko-parts"

    def __init__(self, pages: AsyncIterator[bytes], slot: Slot) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._pages = pages
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. What goes wrong on the way ends it without its last part, and the client asks again."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                await self._send(send)
                tasks.cancel_scope.cancel()
        finally:
            self._slot.give()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for page in self._pages:
                with anyio.fail_after(ANSWER_SECONDS):
                    await send({"type": "http.response.body", "body": page, "more_body": True})
        except TimeoutError:
            logger.info("a client that does not read on is cut off")
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Read no more for a client that has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
