"""Logging a browser in and out: a form takes the API key once; then a cookie stands for it (`browsers`)."""

import secrets
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from launch.server.auth import is_local
from launch.server.bodies import whole_body
from launch.server.browsers import COOKIE, is_secure, next_of
from launch.server.errors import ApiError
from launch.server.limits import SESSION_SECONDS
from launch.server.pages import HEADERS, TEMPLATES
from launch.server.request import Services

MAX_FORM = 8 * 1024


def routes() -> list[BaseRoute]:
    """The addresses of the form."""
    return [
        Route("/login", show),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
    ]


async def show(http: HttpRequest) -> Response:
    """The form."""
    return _form(next_of(http.query_params.get("next", "/")))


async def log_in(http: HttpRequest) -> Response:
    """Open a session for a key, and go on to the page that was asked for."""
    fields = await _fields(http)
    key, goal = fields.get("key", "").strip(), next_of(fields.get("next", "/"))
    try:
        token = await run_in_threadpool(_open, http, key)
    except ApiError as error:
        return _form(goal, error.message, error.status)
    reply = RedirectResponse(goal, status_code=303)
    reply.set_cookie(
        COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=is_secure(http), path="/"
    )
    return reply


async def log_out(http: HttpRequest) -> Response:
    """End the session, here and in the browser."""
    token = http.cookies.get(COOKIE)
    if token is not None:
        await run_in_threadpool(_close, http, token)
    reply = RedirectResponse("/login", status_code=303)
    reply.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=is_secure(http))
    return reply


def _form(goal: str, problem: str = "", status: int = 200) -> Response:
    text = TEMPLATES.get_template("login.html").render(
        title="Log in", reader=None, next=goal, problem=problem, hours=SESSION_SECONDS // 3600
    )
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def _open(http: HttpRequest, key: str) -> str:
    services: Services = http.app.state.services
    caller = services.keyring.identify(f"Bearer {key}", from_here=is_local(http))
    token = secrets.token_urlsafe(32)
    with services.store.write() as tables:
        tables.sessions.open(token, caller.user_id, key, SESSION_SECONDS)
    return token


def _close(http: HttpRequest, token: str) -> None:
    services: Services = http.app.state.services
    with services.store.write() as tables:
        tables.sessions.close(token)


async def _fields(http: HttpRequest) -> dict[str, str]:
    body = await whole_body(http, MAX_FORM, "the form")
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
