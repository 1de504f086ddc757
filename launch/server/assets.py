"""What pages load beside their HTML: the style sheet, ES modules and uPlot, all from this server.

Plotly's script is not ours to ship: where its Python package is installed, it is sent from there.
"""

import hashlib
import mimetypes
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from launch.server.errors import NotFound

FOLDER = Path(__file__).parent / "ui" / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
NAMES = frozenset(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
"""All there is: no other path is ever opened."""
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
"""A browser keeps what it has loaded, and asks (by `ETag`) whether it is still what this version ships."""

IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*?"\./([\w.-]+\.js)"', re.MULTILINE)


@cache
def modules(*names: str) -> tuple[str, ...]:
    """These modules and all that they import: a page that names them has them loaded at once, not one by one."""
    found: dict[str, None] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in NAMES and name not in found:
            found[name] = None
            left += IMPORTED.findall((FOLDER / name).read_text())
    return tuple(found)


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
    response = _kept(path, path.stat().st_mtime_ns, kind)
    if http.headers.get("if-none-match") == response.headers["etag"]:
        return Response(status_code=304, headers={**HEADERS, "ETag": response.headers["etag"]})
    return response


@lru_cache(maxsize=256)
def _kept(path: Path, changed: int, kind: str) -> Response:
    """A file as it is sent, from memory: a page asks for some thirty at once, while its data are read.

    `changed`: when the file was written last, so that one that is edited is read again.
    """
    body = path.read_bytes()
    return Response(
        body, media_type=kind, headers={**HEADERS, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    )
