"""The addresses of what pages ask for, under `/view/`: who may read a page may read what it shows.

A view is a function of a request and the parts of its address (and of what stands behind the question mark); what
it returns is sent as JSON. NaN and infinities are `null` there: JSON has none.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from launch.server.browsers import page_reader
from launch.server.request import Request, Services
from launch.server.threads import Threads
from launch.server.views import files, importance, live, projects, runs, sweep
from launch.server.views.parts import Parts

View = Callable[[Request, Mapping[str, str]], Any]
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
VIEWS: Mapping[str, View] = {
    "/{entity}/{project}/runs": sweep.runs,
    "/{entity}/{project}/sweeps/{sweep}/runs": sweep.runs,
    "/{entity}/{project}/sweeps/{sweep}/best": projects.best,
    "/{entity}/{project}/sweeps/{sweep}/importance": importance.shares,
    **runs.VIEWS,
}
"""What each address tells."""


def routes() -> list[BaseRoute]:
    """The addresses."""
    shown = [Route(f"/view{address}", _json(view)) for address, view in VIEWS.items()]
    return [*live.routes(), *files.routes(), *shown]


def _json(view: View) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def tell(http: HttpRequest) -> Response:
        services: Services = http.app.state.services
        threads: Threads = http.app.state.threads

        def look() -> bytes:
            with Request(services, "", writes=False, caller=page_reader(http)) as request:
                found = view(request, Parts.of(http))
            return orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)

        return Response(await threads.for_reads(look), media_type="application/json", headers=HEADERS)

    return tell
