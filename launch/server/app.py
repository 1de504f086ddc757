"""The web application: one route table, one error shape, bounded bodies. What is behind a route is elsewhere."""

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from launch.server import assets, auth, filestream, forgetting, graphql, lifecycle, login, pages, transfer
from launch.server.ageing import Ageing
from launch.server.answers import Answer, Answers, Slot
from launch.server.auth import Caller
from launch.server.bodies import whole_body
from launch.server.bulk import routes as bulk
from launch.server.errors import FORBIDDEN, ApiError, Stopping, error_body
from launch.server.intake import Intake, Sent
from launch.server.limits import MAX_GRAPHQL_BODY, MAX_STREAM_BODY, ServeOptions
from launch.server.origin import OwnPagesOnly
from launch.server.pace import Pace
from launch.server.request import Request, Services
from launch.server.resolvers import SCHEMA
from launch.server.threads import Threads
from launch.server.views import actions
from launch.server.views import routes as views
from launch.server.wire import json_object

logger = logging.getLogger(__name__)

CALL, COMMIT = "agentHeartbeat", "commitArtifact"
"""Mutations that can take their time; the operations that hold them have threads of their own."""
SMALL, LARGE = 2_048, 1 << 20
"""Bytes of a body up to which it is read at once, and from which on one such body is read at a time."""
UPKEEP_SECONDS = 30.0
"""How long a server rests that has found no lines to age."""
HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


class FileConvertor(PathConvertor):
    """The name of a file in an address: with slashes, and lines if it must be."""

    regex = "(?s:.*)"


class RowConvertor(IntegerConvertor):
    """The number of a row in an address."""

    regex = "[0-9]{1,18}"


register_url_convertor("file", FileConvertor())
register_url_convertor("int", RowConvertor())


def make_app(services: Services) -> Starlette:
    """The application over open services; it expires leases while it runs and does not close the services."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_expire_leases, services)
            tasks.start_soon(_age_lines, services, app.state.threads)
            yield
            tasks.cancel_scope.cancel()

    app = Starlette(
        routes=routes(),
        middleware=_middleware(services.options),
        exception_handlers={ApiError: _refuse, HTTPException: _refuse_http, Exception: _fail},
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.threads = Threads()
    app.state.intake = Intake(services, app.state.threads)
    app.state.answers = Answers()
    return app


def _middleware(options: ServeOptions) -> list[Middleware]:
    known = [] if options.lab else [Middleware(KnownHosts)]
    return [*known, Middleware(OwnPagesOnly, proxy=options.proxy), Middleware(Pace, rate=options.rate)]


def routes() -> list[BaseRoute]:
    """Every address of the server."""
    storage = "/storage"
    return [
        Route("/graphql", run_graphql, methods=["POST"]),
        Route("/graphql", only_post),
        Route("/files/{entity}/{project}/{run}/file_stream", stream, methods=["POST"]),
        Route(f"{storage}/run/{{run:int}}/{{name:file}}", transfer.put_run_file, methods=["PUT"]),
        Route(f"{storage}/run/{{run:int}}/{{name:file}}", transfer.get_run_file),
        Route(
            f"{storage}/artifact/{{artifact:int}}/{{md5}}/{{name:file}}",
            transfer.put_artifact_file,
            methods=["PUT"],
        ),
        Route(f"{storage}/artifact/{{artifact:int}}/{{md5}}/{{name:file}}", transfer.get_artifact_file),
        Route(f"{storage}/history/{{run:int}}/{{name}}", transfer.get_history),
        Route(f"{storage}/manifest/{{artifact:int}}/{{name}}", transfer.put_manifest, methods=["PUT"]),
        Route(f"{storage}/manifest/{{artifact:int}}/{{name}}", transfer.get_manifest),
        Route("/artifactsV2/{rest:file}", transfer.get_by_digest),
        Route("/artifacts/{rest:file}", transfer.get_by_digest),
        *bulk.routes(),
        Route("/healthz", health),
        *login.routes(),
        *assets.routes(),
        *views.routes(),
        *actions.routes(),
        *pages.routes(),
    ]


async def run_graphql(http: HttpRequest) -> Response:
    """Answer one GraphQL operation, in one transaction."""
    services: Services = http.app.state.services
    threads: Threads = http.app.state.threads
    caller = auth.caller_of(http)
    body = await whole_body(http, MAX_GRAPHQL_BODY)
    fields: Collection[str] = ()
    if any(name.encode() in body for name in (CALL, COMMIT)):
        fields = _fields(body) if len(body) <= SMALL else await threads.for_reads(_fields, body)
    if CALL in fields:
        answer = threads.for_calls
    elif COMMIT in fields:
        answer = threads.for_commits
    else:
        answer = threads.for_large if len(body) > LARGE else threads.for_reads
    slot = http.app.state.answers.slot(caller.user_id)
    return await answer(_answer, services, _base_url(http, caller), body, caller, slot)


def _base_url(http: HttpRequest, caller: Caller) -> str:
    """Where signed addresses lead: to the proxy, if there is one; for the owner, to where the request came."""
    proxy = http.app.state.services.options.proxy
    return proxy if proxy and not caller.is_owner else str(http.base_url).rstrip("/")


def _fields(text: bytes) -> Collection[str]:
    """The root fields that an operation chooses: the operation itself says so, not a comment in it."""
    body = json_object(text.decode(errors="replace"), "the request")
    query = body.get("query")
    if not isinstance(query, str):
        return ()
    return graphql.parse(query).root_fields(body.get("operationName"))


def _answer(services: Services, base_url: str, text: bytes, caller: Caller, slot: Slot) -> Response:
    body = json_object(text.decode(errors="replace"), "the request")
    query, variables, name = body.get("query"), body.get("variables"), body.get("operationName")
    if not isinstance(query, str):
        raise ApiError("the request holds no query")
    operation = graphql.parse(query).operation(name)
    writes = operation.operation.value == "mutation"
    if writes and caller.read_only:
        raise ApiError("this key may only read", FORBIDDEN)
    try:
        with Request(services, base_url, writes=writes, caller=caller) as request:
            data = graphql.execute(query, json_object(variables, "variables"), name, SCHEMA, request, slot.take)
        return Answer({"data": data}, slot)
    except BaseException:
        slot.give()
        raise


async def stream(http: HttpRequest) -> Response:
    """Take lines of a run."""
    caller = auth.caller_of(http)
    path = http.path_params
    sent = Sent(
        caller,
        (path["entity"], path["project"], path["run"]),
        await whole_body(http, MAX_STREAM_BODY),
        gzipped=http.headers.get("content-encoding") == "gzip",
        writer=http.headers.get(filestream.WRITER_HEADER),
    )
    intake: Intake = http.app.state.intake
    return JSONResponse(await intake.take(sent))


async def only_post(http: HttpRequest) -> Response:
    """GraphQL is not spoken in addresses."""
    raise HTTPException(405)


async def health(http: HttpRequest) -> Response:
    """Say that the server is alive."""
    return JSONResponse({"status": "ok", "server": "sashiko"})


async def _expire_leases(services: Services) -> None:
    """Notice silent runs even when no agent calls."""
    pause = services.options.tick_seconds
    while True:
        await anyio.sleep(pause)
        try:
            await run_in_threadpool(_expire_once, services)
        except Stopping:
            return
        except (
            Exception
        ):  # the task must outlive a bad moment (a full disk): leases are also looked at on each call
            logger.exception("could not look for lost runs")


def _expire_once(services: Services) -> None:
    now, away = services.clock.now(), services.clock.absences()
    with services.store.write() as tables:
        if away is not None:
            lifecycle.forgive(tables, now, services.options)
        lifecycle.expire(tables, now, services.options, services.clock.awake_since)
        for version in tables.artifacts.expired(now):
            tables.artifacts.delete(version)
    if away is not None:
        services.clock.forgiven(away)
    services.store.checkpoint()


async def _age_lines(services: Services, threads: Threads) -> None:
    """Move lines of old runs into column files, half of the time at most while there is something to do."""
    ageing = Ageing(services.store, services.blobs, services.clock.now, services.options.age_seconds)
    try:
        await threads.for_upkeep(forgetting.finish, services.store)
    except Stopping:
        return
    except Exception:
        logger.exception("could not delete the rest of what was being deleted")
    while True:
        started = anyio.current_time()
        try:
            more = await threads.for_upkeep(ageing.step)
        except ApiError as error:
            logger.warning("lines of runs stay where they are, in the database or in files: %s", error.message)
            more = False
        except Exception:  # this task, too, must outlive a bad moment
            logger.exception("could not age the lines of a run")
            more = False
        await anyio.sleep(min(anyio.current_time() - started, UPKEEP_SECONDS) if more else UPKEEP_SECONDS)


async def _refuse(http: HttpRequest, error: Exception) -> Response:
    status = error.status if isinstance(error, ApiError) else 400
    message = error.message if isinstance(error, ApiError) else str(error)
    logger.info("%s %s: %s %s", http.method, http.scope["path"], status, message)
    return JSONResponse(error_body(message), status_code=status)


async def _refuse_http(http: HttpRequest, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse(error_body(f"{http.method} {http.scope['path']}: {detail}"), status_code=status)


async def _fail(http: HttpRequest, error: Exception) -> Response:
    return JSONResponse(error_body(f"the server failed: {type(error).__name__}"), status_code=500)


class KnownHosts:
    """Refuses requests for any host but this machine: a web page elsewhere must not reach in by DNS rebinding."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and not _is_local(scope):
            message = "this server answers only to localhost, 127.0.0.1 and [::1]"
            await JSONResponse(error_body(message), status_code=403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    host, _, port = hosts[0].rpartition(":")
    name = host if host and port.isdigit() else hosts[0]
    return name.lower() in HOSTS
