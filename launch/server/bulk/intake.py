"""The addresses at which things are taken in bulk: bytes first, then what names them.

A body lies on the disk while it comes, and each thing in it is stored in a transaction of its own.
"""

import tempfile
from collections.abc import AsyncIterator
from typing import IO

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from launch.server.auth import Caller, caller_of
from launch.server.bulk import restoring
from launch.server.bulk.parts import read_parts
from launch.server.bulk.proofs import given
from launch.server.bulk.restoring import Home
from launch.server.errors import LENGTH_REQUIRED, ApiError, TooLarge, TooSlow
from launch.server.limits import MAX_RESTORED, MAX_UPLOAD, STALL_SECONDS
from launch.server.request import Request, Services
from launch.server.threads import Threads

IN_MEMORY = 16 << 20
"""Bytes of a body from which on it lies on the disk."""


async def blob(http: HttpRequest) -> Response:
    """Take bytes; the reply has their digests and the proof that the sender has them."""
    services: Services = http.app.state.services
    caller, size = caller_of(http), http.headers.get("content-length", "")
    if not (size.isascii() and size.isdigit() and len(size) < 19):
        raise ApiError("tell how many bytes are to come (Content-Length)", LENGTH_REQUIRED)

    def may() -> None:
        with Request(services, "", writes=True, caller=caller) as request:
            row, _ = request.made_project(*_home(http))
            request.must_have_room(row["id"], int(size))

    await run_in_threadpool(may)
    with services.blobs.incoming(MAX_UPLOAD) as incoming:
        async for chunk in _chunks(http):
            await run_in_threadpool(incoming.write, chunk)
        kept = await run_in_threadpool(incoming.keep)
    proof = given(services.signer, kept, caller.user_id)
    return JSONResponse({"sha256": kept.name, "md5": kept.md5, "size": kept.size, "proof": proof})


async def restore(http: HttpRequest) -> Response:
    """Take runs, sweeps and versions; the reply tells what became of each."""
    services: Services = http.app.state.services
    threads: Threads = http.app.state.threads
    caller, home = caller_of(http), _home(http)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        size = 0
        async for chunk in _chunks(http):
            size += len(chunk)
            if size > MAX_RESTORED:
                raise TooLarge("what is sent in bulk at once", MAX_RESTORED)
            await run_in_threadpool(body.write, chunk)
        body.seek(0)
        results = await threads.for_commits(_take, services, caller, home, body)
    return JSONResponse({"results": [result._asdict() for result in results]})


def _take(services: Services, caller: Caller, home: Home, body: IO[bytes]) -> list[restoring.Result]:
    results = []
    for unit in restoring.units(read_parts(body, MAX_RESTORED)):
        with Request(services, "", writes=True, caller=caller) as request:
            results.append(restoring.take(request, home, unit))
    return results


def _home(http: HttpRequest) -> Home:
    return Home(http.path_params["entity"], http.path_params["project"])


async def _chunks(http: HttpRequest) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        ApiError: the sender went away.
        TooSlow: it sends nothing any more.
    """
    stream = http.stream()
    try:
        while True:
            with anyio.fail_after(STALL_SECONDS):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            if chunk:
                yield chunk
    except ClientDisconnect as error:
        raise ApiError("what was sent broke off") from error
    except TimeoutError as error:
        raise TooSlow(STALL_SECONDS) from error
