"""Keeps web pages of others from changing anything: a browser sends requests for any page that asks it to.

No client of this server is a page, apart from its own (the log-in form, and what `views.actions` takes). So
whatever changes something must not come from another site (`Sec-Fetch-Site`, `Origin`, which browsers send and
pages cannot forge), and what speaks JSON must say so, which a page of another site cannot without asking first.
Nobody here answers that question (CORS).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from launch.server.errors import FORBIDDEN, UNSUPPORTED, error_body

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of this server's own pages, and of what a person typed."""
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
SPOKEN: Mapping[str, str] = {"/graphql": JSON, "/files/": JSON, "/change/": JSON, "/login": FORM, "/logout": FORM}
"""What the bodies of these addresses are written in. All other writing needs a signed address, or a key."""


class OwnPagesOnly:
    """ASGI middleware that refuses what another site's page sends, and bodies of another type."""

    def __init__(self, app: ASGIApp, proxy: str | None = None) -> None:
        self.app = app
        self._proxy = None if proxy is None else urlsplit(proxy).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in SAFE:
            headers = Headers(scope=scope)
            if self._is_foreign(headers):
                message = "this request comes from a page of another site; nothing was changed"
                await JSONResponse(error_body(message), status_code=FORBIDDEN)(scope, receive, send)
                return
            wanted = next((kind for start, kind in SPOKEN.items() if scope["path"].startswith(start)), None)
            given = headers.get("content-type", "").partition(";")[0].strip().lower()
            if wanted is not None and given != wanted:
                message = f"the body must be of the type {wanted} (Content-Type), not {given[:80] or 'none'}"
                await JSONResponse(error_body(message), status_code=UNSUPPORTED)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_foreign(self, headers: Headers) -> bool:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in OWN:
            return True
        if origin is None:
            return False
        try:
            site = urlsplit(origin).netloc.lower()
        except ValueError:  # brackets that are no address
            return True
        return site not in (headers.get("host", "").lower(), self._proxy)
