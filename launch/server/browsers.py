"""A browser that is logged in: its cookie, and who it stands for.

The cookie is for pages alone: it reads, and no request that changes something looks at it. Scripts cannot read it,
and no page of another site has it sent along (`HttpOnly`, `SameSite=Strict`). How it is come by is `login`.
"""

from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from launch.server.auth import THE_OWNER, Caller, caller_of, is_local
from launch.server.errors import UNAUTHORIZED, ApiError
from launch.server.request import Services
from launch.server.storage.users import OWNER

COOKIE = "sashiko_session"
SECONDS = 12 * 3600


def reader_of(http: HTTPConnection) -> Caller | None:
    """Who a browser's cookie stands for, for reading; None without a session that is open."""
    token = http.cookies.get(COOKIE)
    if token is None:
        return None
    services: Services = http.app.state.services
    with services.store.read() as tables:
        row = tables.sessions.user(token, services.keyring.owner_key)
    if row is None or (row["id"] == OWNER and not is_local(http)):
        return None
    return Caller(row["id"], row["name"], read_only=True, is_owner=row["id"] == OWNER)


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
    query = http.scope["query_string"].decode("latin-1")
    goal = http.scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(goal, safe='')}", status_code=303)


def is_secure(http: HTTPConnection) -> bool:
    """Whether the browser speaks TLS: to this server, or to the proxy in front of it."""
    proxy = http.app.state.services.options.proxy
    return http.url.scheme == "https" or (proxy is not None and proxy.startswith("https:"))
