"""What pages load beside their HTML: the style sheet, ES modules and uPlot, all from this server.

Plotly's script is not ours to ship: where its Python package is installed, it is sent from there.
"""

import mimetypes
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from launch.server.errors import NotFound

FOLDER = Path(__file__).parent / "ui" / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
NAMES = frozenset(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
"""All there is: no other path is ever opened."""
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
"""A browser keeps what it has loaded, and asks (by `ETag`) whether it is still what this version ships."""


def routes() -> list[BaseRoute]:
    """The addresses."""
    return [Route("/static/plotly.min.js", plotly_script), Route("/static/{name:file}", asset)]


async def asset(http: HttpRequest) -> Response:
    """One file."""
    name = http.path_params["name"]
    if name not in NAMES:
        raise NotFound(f"there is no {name[:80]!r} among what pages load")
    return _sent(http, FOLDER / name, name)


async def plotly_script(http: HttpRequest) -> Response:
    """Plotly's own script."""
    path = plotly()
    if path is None:
        raise NotFound("Plotly is not installed where this server runs: pip install plotly")
    return _sent(http, path, path.name)


def plotly() -> Path | None:
    """Where Plotly's script is, if its Python package is installed."""
    found = find_spec("plotly")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return path if path.is_file() else None


def _sent(http: HttpRequest, path: Path, name: str) -> Response:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    response = FileResponse(path, media_type=kind, headers=HEADERS)
    response.set_stat_headers(path.stat())
    if http.headers.get("if-none-match") == response.headers["etag"]:
        return Response(status_code=304, headers={**HEADERS, "ETag": response.headers["etag"]})
    return response
