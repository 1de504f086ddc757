"""Bytes in and out: files of runs, files and manifests of artifacts. Streams, never a whole file in memory.

An address is good with a signature (see `signing`), or, for fetching, with the API key. What arrives is compared
with what was announced before anything names it. This module does not know GraphQL.
"""

import mimetypes
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response

from launch.server.arguments import MOST_WHOLE
from launch.server.auth import THE_OWNER, Caller, caller_of
from launch.server.blobs import Blob
from launch.server.errors import CONFLICT, FORBIDDEN, UNAVAILABLE, ApiError, DiskFull, NotFound, TooLarge, TooSlow
from launch.server.limits import MAX_DISCARDED, MAX_MANIFEST, MAX_UPLOAD, STALL_SECONDS, UPLOAD_CHUNK
from launch.server.request import Request, Services
from launch.server.storage import Tables, artifacts
from launch.server.storage.arrivals import Held
from launch.server.wire import checked_path, parse_row_id

UNKNOWN = -1
"""How many bytes are to come, where the client does not say it."""
SHOWN_INLINE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "text/plain", "application/json"}
)
"""What a browser may show; everything else, SVG and HTML above all, is offered as a download."""
INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
}


async def put_run_file(http: HttpRequest) -> Response:
    """Take a file of a run."""
    services = _services(http)
    run_id, name = _number(http, "run"), checked_path(http.path_params["name"])
    user_id = services.signer.check("PUT", _path(http), http.query_params)
    size = _announced(http)

    def check() -> None:
        with Request(services, "", writes=False, caller=_user(services, user_id)) as request:
            run = request.changeable(request.tables.runs.by_id(run_id), "there is no such run")
            request.must_have_room(run["project_id"], size)

    def store(blob: Blob) -> None:
        with services.store.write() as tables:
            if tables.runs.by_id(run_id) is None:
                raise NotFound("this run was deleted")
            tables.files.put(run_id, name, blob=blob.name, md5=blob.md5, size=blob.size)
            _still_here(services, blob)

    await _receive(services, http, MAX_UPLOAD, check, store)
    return Response(status_code=200)


async def put_artifact_file(http: HttpRequest) -> Response:
    """Take a file of an artifact; its bytes must have the digest in the address."""
    services = _services(http)
    user_id = services.signer.check("PUT", _path(http), http.query_params)
    artifact_id = _number(http, "artifact")
    md5 = http.path_params["md5"]

    def store(blob: Blob) -> None:
        with services.store.write() as tables:
            if not tables.arrivals.arrived(artifact_id, md5, user_id, Held(blob.name, blob.size)):
                raise NotFound("this version takes no files any more")
            _still_here(services, blob)

    size = _announced(http)

    def expected() -> str:
        with Request(services, "", writes=False, caller=_user(services, user_id)) as request:
            row = request.changeable(request.tables.artifacts.by_id(artifact_id), "there is no such version")
            request.must_have_room(row["project_id"], size)
        return str(md5)

    await _receive(services, http, MAX_UPLOAD, expected, store)
    return Response(status_code=200)


async def put_manifest(http: HttpRequest) -> Response:
    """Take a manifest of an artifact; its bytes must have the digest that was announced."""
    services = _services(http)
    user_id = services.signer.check("PUT", _path(http), http.query_params)
    artifact_id, size = _number(http, "artifact"), _announced(http)
    name = http.path_params["name"]
    key = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1

    def announced() -> str | None:
        with Request(services, "", writes=False, caller=_user(services, user_id)) as request:
            row = request.changeable(request.tables.artifacts.by_id(artifact_id), "there is no such version")
            request.must_have_room(row["project_id"], size)
            return _pending_digest(request.tables, key)

    def store(blob: Blob) -> None:
        with services.store.write() as tables:
            if _pending_digest(tables, key) not in (None, blob.md5):
                raise ApiError("another manifest was announced meanwhile", CONFLICT)
            tables.manifests.arrived(key, blob.name, blob.size)
            _still_here(services, blob)

    await _receive(services, http, MAX_MANIFEST, announced, store)
    return Response(status_code=200)


async def get_run_file(http: HttpRequest) -> Response:
    """Send a file of a run."""
    services, fetcher = _services(http), _fetcher(http)
    run_id, name = _number(http, "run"), http.path_params["name"]

    def find() -> str:
        with Request(services, "", writes=False, caller=fetcher()) as request:
            run = request.seen(request.tables.runs.by_id(run_id))
            row = request.tables.files.get(run_id, name) if run is not None else None
        if row is None:
            raise NotFound(f"this run has no file {name[:200]!r}")
        return str(row["blob"])

    return _send(services, await run_in_threadpool(find), name)


async def get_artifact_file(http: HttpRequest) -> Response:
    """Send a file of an artifact."""
    services, fetcher = _services(http), _fetcher(http)
    md5, name = http.path_params["md5"], http.path_params["name"]

    def find() -> str:
        with Request(services, "", writes=False, caller=fetcher()) as request:
            row = request.tables.artifacts.by_id(_number(http, "artifact"))
            held = None if row is None else request.tables.artifacts.blob_of(row["id"], md5)
            if row is None or held is None or not request.sees_version(row):
                raise NotFound("this file is not on this server")
            return str(held["blob"])

    return _send(services, await run_in_threadpool(find), name)


async def get_manifest(http: HttpRequest) -> Response:
    """Send the manifest of an artifact."""
    services, fetcher = _services(http), _fetcher(http)

    def find() -> str:
        with Request(services, "", writes=False, caller=fetcher()) as request:
            row = request.tables.artifacts.by_id(_number(http, "artifact"))
            if row is None or not row["manifest_blob"] or not request.sees_version(row):
                raise NotFound("this artifact has no manifest")
            return str(row["manifest_blob"])

    return _send(services, await run_in_threadpool(find), "wandb_manifest.json")


async def get_history(http: HttpRequest) -> Response:
    """Send the exported history of a run."""
    services, fetcher = _services(http), _fetcher(http)

    def find() -> Path:
        with Request(services, "", writes=False, caller=fetcher()) as request:
            run = request.seen(request.tables.runs.by_id(_number(http, "run")))
            path = None if run is None else request.export(run)
        if path is None:
            raise NotFound("this run has no exported history")
        return path

    return FileResponse(await run_in_threadpool(find), media_type="application/octet-stream", headers=INERT)


async def get_by_digest(http: HttpRequest) -> Response:
    """Send a file of an artifact to a client that knows only its digest (`/artifactsV2/…/{hex}/{name}`)."""
    services, caller = _services(http), caller_of(http)
    parts = http.path_params["rest"].split("/")
    digest = next((part for part in reversed(parts) if len(part) == 32), "")
    named = next((key for part in parts if (key := parse_row_id("Artifact", part)) is not None), None)

    def find() -> str:
        with Request(services, "", writes=False, caller=caller) as request:
            artifacts_ = request.tables.artifacts
            own = None if named is None else artifacts_.by_id(named)
            if own is not None and named is not None and request.sees_version(own):
                held = artifacts_.blob_of(named, digest)
                if held is not None:
                    return str(held["blob"])
            seen = next((row for row in artifacts_.holding(digest) if request.sees_version(row)), None)
        if seen is None:
            raise NotFound("this file is not on this server")
        return str(seen["blob"])

    return _send(services, await run_in_threadpool(find), parts[-1])


def _services(http: HttpRequest) -> Services:
    services: Services = http.app.state.services
    return services


def _number(http: HttpRequest, name: str) -> int:
    """The number of a row in the address.

    Raises:
        NotFound: it is larger than any row's can be.
    """
    value = int(http.path_params[name])
    if value > MOST_WHOLE:
        raise NotFound(f"there is no {name} of this number")
    return value


def _path(http: HttpRequest) -> str:
    path: str = http.scope["path"]
    return path


def _fetcher(http: HttpRequest) -> Callable[[], Caller]:
    """Who fetches: whom the key names, or for whom the address was made; to be asked in a thread."""
    if http.headers.get("authorization") is not None:
        caller = caller_of(http)
        return lambda: caller
    services = _services(http)
    user_id = services.signer.check("GET", _path(http), http.query_params)
    return lambda: _user(services, user_id)


def _user(services: Services, user_id: int) -> Caller:
    """The user for whom an address was made, with the rights that it has now.

    Raises:
        ApiError: 403, its keys were taken back.
    """
    if user_id == THE_OWNER.user_id:
        return THE_OWNER
    with services.store.read() as tables:
        rights = tables.users.rights(user_id)
    if rights is None:
        raise ApiError("the key that this address was made for was taken back", FORBIDDEN)
    return Caller(user_id, rights["name"], bool(rights["read_only"]))


def _still_here(services: Services, blob: Blob) -> None:
    """Keep a blob that a transaction has just named from being pruned.

    Raises:
        ApiError: 503, it was pruned between its arrival and this transaction; the client sends it again.
    """
    if not services.blobs.renew(blob.name):
        raise ApiError("the file was removed while it arrived: send it again", UNAVAILABLE)


async def _receive(
    services: Services,
    http: HttpRequest,
    limit: int,
    before: Callable[[], str | None],
    after: Callable[[Blob], None],
) -> None:
    """Write the body to the disk as it comes. A client that goes away in the middle leaves nothing behind.

    `before` says which digest the bytes must have (None: any), `after` stores what they are for. A small file, as
    most are, costs one hop to a thread.
    """
    if _announced(http) > limit:
        raise TooLarge("the file", limit)
    chunks = _gathered(http)
    first = await anext(chunks, b"")
    second = await anext(chunks, None)
    if second is None:
        await run_in_threadpool(_take, services, limit, first, before, after)
        return
    expected = await run_in_threadpool(before)
    try:
        with services.blobs.incoming(limit) as incoming:
            await run_in_threadpool(incoming.write, first)
            await run_in_threadpool(incoming.write, second)
            async for chunk in chunks:
                await run_in_threadpool(incoming.write, chunk)
            blob = await run_in_threadpool(incoming.keep, expected)
    except DiskFull:
        await _discard(chunks)
        raise
    await run_in_threadpool(after, blob)


async def _discard(chunks: AsyncIterator[bytes]) -> None:
    """Read on without keeping: a client that is cut off in the middle never reads the refusal, and tries again."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_DISCARDED:
            return


def _take(
    services: Services,
    limit: int,
    data: bytes,
    before: Callable[[], str | None],
    after: Callable[[Blob], None],
) -> None:
    expected = before()
    with services.blobs.incoming(limit) as incoming:
        incoming.write(data)
        blob = incoming.keep(expected)
    after(blob)


async def _gathered(http: HttpRequest) -> AsyncIterator[bytes]:
    """The body in pieces of about `UPLOAD_CHUNK`, so that each costs one hop to a thread."""
    pieces: list[bytes] = []
    size = 0
    stream = http.stream()
    while (piece := await _next(stream)) is not None:
        pieces.append(piece)
        size += len(piece)
        if size >= UPLOAD_CHUNK:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes | None:
    """What the client sends next; None at the end.

    Raises:
        ApiError: it went away.
        TooSlow: it sends nothing any more.
    """
    try:
        with anyio.fail_after(STALL_SECONDS):
            return await anext(stream, None)
    except ClientDisconnect as error:
        raise ApiError("the upload broke off") from error
    except TimeoutError as error:
        raise TooSlow(STALL_SECONDS) from error


def _send(services: Services, blob: str, name: str) -> Response:
    path = services.blobs.path(blob)
    if not path.is_file():
        raise NotFound("this file is not on this server")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    shown = kind in SHOWN_INLINE
    return FileResponse(
        path,
        media_type=kind if shown else "application/octet-stream",
        filename=name.rsplit("/", 1)[-1],
        content_disposition_type="inline" if shown else "attachment",
        headers=INERT,
    )


def _announced(http: HttpRequest) -> int:
    """How many bytes are to come, as far as the client says it."""
    told = http.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else UNKNOWN


def _pending_digest(tables: Tables, key: int) -> str | None:
    row = tables.manifests.by_id(key)
    if row is None or row["state"] != artifacts.PENDING:
        raise ApiError("this artifact takes no manifest (any more)", CONFLICT)
    return None if row["digest"] is None else str(row["digest"])
