"""A browser that is logged in: its cookie, and who it stands for.

The cookie is for pages alone: it reads them, and it may change what they let a person change (`views.actions`:
the state of a sweep, its failed points, a run's notes and tags), as far as the key may that opened the session.
Nothing else that changes something looks at it: not GraphQL, rows or files. Scripts cannot read it, and no page of
another site has it sent along (`HttpOnly`, `SameSite=Strict`; `origin` refuses what comes from one all the same).
How it is come by is `login`.
"""

from dataclasses import replace
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from launch.server.auth import THE_OWNER, Caller, caller_of, is_local
from launch.server.errors import UNAUTHORIZED, ApiError
from launch.server.request import Services
from launch.server.storage.users import OWNER

COOKIE = "sashiko_session"


def reader_of(http: HTTPConnection) -> Caller | None:
    """Who a browser's cookie stands for, for reading; None without a session that is open."""
    found = session_of(http)
    return None if found is None else replace(found, read_only=True)


def session_of(http: HTTPConnection) -> Caller | None:
    """Who a browser's cookie stands for, with what the key may do that opened the session; None without one."""
    token = http.cookies.get(COOKIE)
    if token is None:
        return None
    services: Services = http.app.state.services
    with services.store.read() as tables:
        row = tables.sessions.user(token, services.keyring.owner_key)
    if row is None or (row["id"] == OWNER and not is_local(http)):
        return None
    return Caller(row["id"], row["name"], read_only=bool(row["read_only"]), is_owner=row["id"] == OWNER)


def page_reader(http: HTTPConnection) -> Caller:
    """Who reads a page: whom the session or the key says; the owner, where nobody else uses this server.

    Raises:
        ApiError: nobody is logged in, and there are others who may use this server.
    """
    reader = reader_of(http)
    if reader is not None:
        return reader
    services: Services = http.app.state.services
    if not has_key(http) and not services.options.lab and is_local(http):
        with services.store.read() as tables:
            if not tables.users.any_keys():
                return THE_OWNER
    if not has_key(http):
        raise ApiError("log in first", UNAUTHORIZED)
    return caller_of(http)


def page_writer(http: HTTPConnection) -> Caller:
    """Who changes something from a page: whom the key says, else the session. Nobody without either.

    Raises:
        ApiError: 401, there is neither, or the session has ended.
    """
    if "authorization" in http.headers:
        return caller_of(http)
    found = session_of(http)
    if found is None:
        raise ApiError("log in first: to change something takes a key", UNAUTHORIZED)
    return found


def may_change(http: HTTPConnection) -> bool:
    """Whether a page offers changes: its reader is logged in, with a key that may do more than read."""
    found = session_of(http)
    return found is not None and not found.read_only


def has_key(http: HTTPConnection) -> bool:
    """Whether a program sends its key. Basic does not count: browsers send it along, whoever made them ask."""
    return http.headers.get("authorization", "").lower().startswith("bearer ")


def next_of(goal: str) -> str:
    """`goal` if it is a page of this server, else the first one."""
    try:
        parts = urlsplit(goal)
    except ValueError:  # brackets that are no address
        return "/"
    own = goal.startswith("/") and not goal.startswith("//") and "\\" not in goal and goal.isprintable()
    return goal if own and not parts.scheme and not parts.netloc else "/"


def to_login(http: HTTPConnection) -> Response:
    """The way to the form, and back to where the browser wanted to go."""
    return RedirectResponse(login_address(http), status_code=303)


def login_address(http: HTTPConnection) -> str:
    """The address of the form that leads back to this page."""
    query = http.scope["query_string"].decode("latin-1")
    goal = http.scope["path"] + (f"?{query}" if query else "")
    return f"/login?next={quote(goal, safe='')}"


def is_secure(http: HTTPConnection) -> bool:
    """Whether the browser speaks TLS: to this server, or to the proxy in front of it."""
    proxy = http.app.state.services.options.proxy
    return http.url.scheme == "https" or (proxy is not None and proxy.startswith("https:"))
