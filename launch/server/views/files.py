"""The bytes of a run's files for its own page: images and sounds as they are, HTML and Plotly in a sandbox.

What a run has logged is a stranger's: whatever it holds, it runs no script of this server's origin and asks nobody
anything. Each reply has a policy of its own, `sandbox` among it, also for whoever opens its address by itself.
"""

import html
import json
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from launch.server.assets import plotly
from launch.server.browsers import page_reader
from launch.server.errors import NotFound, TooLarge
from launch.server.request import Request, Services
from launch.server.transfer import INERT, SHOWN_INLINE
from launch.server.views.places import run_of

SOUNDS = ("audio/", "video/")
MOST_BYTES = 32 << 20
"""Of HTML or of a figure that is shown."""
ALONE = {**INERT, "Cache-Control": "private, max-age=60"}
FRAME = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; media-src data: blob:; font-src data:; frame-ancestors 'self'; sandbox allow-scripts",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=60",
}
"""Of HTML that was logged: it may draw itself, and reaches nothing."""
INJECTED = re.compile(r'<link [^>]*href="https://app\.wandb\.ai/normalize\.css"[^>]*>')
"""What the client writes before all HTML: it would be refused, and the browser would complain."""
PLOTLY = {
    **FRAME,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline';"
    " img-src data: blob:; frame-ancestors 'self'; sandbox allow-scripts",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figure</title>
<style>html, body, #figure {{ margin: 0; height: 100%; }}</style>
<script src="/static/plotly.min.js"></script></head>
<body><div id="figure" data-given="{figure}"></div><script src="/static/plotly_frame.js"></script></body></html>"""
MISSING = (
    "Figures of Plotly are drawn by its own script, which comes with its Python package and is not installed "
    "where this server runs: pip install plotly, then reload this page."
)


def routes() -> list[BaseRoute]:
    """The addresses."""
    run = "/view/{entity}/{project}/runs/{run}"
    return [
        Route(f"{run}/files/{{name:file}}", _sent(_plain)),
        Route(f"{run}/html/{{name:file}}", _sent(_html)),
        Route(f"{run}/plotly/{{name:file}}", _sent(_plotly)),
    ]


def _sent(show: Callable[[HttpRequest, Path, str], Response]) -> Callable[[HttpRequest], object]:
    async def send(http: HttpRequest) -> Response:
        return await run_in_threadpool(_send, http, show)

    return send


def _send(http: HttpRequest, show: Callable[[HttpRequest, Path, str], Response]) -> Response:
    services: Services = http.app.state.services
    name = http.path_params["name"]
    with Request(services, "", writes=False, caller=page_reader(http)) as request:
        run = run_of(request, http.path_params)
        row = request.tables.files.get(run["id"], name)
    path = None if row is None else services.blobs.path(row["blob"])
    if path is None or not path.is_file():
        raise NotFound(f"this run has no file {name[:200]!r}")
    return show(http, path, name)


def _plain(http: HttpRequest, path: Path, name: str) -> Response:
    """A file as it is; what a browser could take for a page of this server is offered as a download."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    safe = kind in SHOWN_INLINE or kind.startswith(SOUNDS)
    return FileResponse(
        path,
        media_type=kind if safe else "application/octet-stream",
        filename=name.rsplit("/", 1)[-1],
        content_disposition_type="inline" if safe else "attachment",
        headers=ALONE,
    )


def _html(http: HttpRequest, path: Path, name: str) -> Response:
    return HTMLResponse(INJECTED.sub("", _text(path), count=1), headers=FRAME)


def _plotly(http: HttpRequest, path: Path, name: str) -> Response:
    """A page with one figure, which Plotly's script draws where it can reach nothing."""
    if plotly() is None:
        return PlainTextResponse(MISSING, headers=FRAME)
    try:
        figure = json.dumps(json.loads(_text(path)))
    except (ValueError, RecursionError) as error:
        raise NotFound(f"{name[:80]!r} is no figure: {error}") from error
    return HTMLResponse(PAGE.format(figure=html.escape(figure)), headers=PLOTLY)


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise TooLarge("what a page shows", MOST_BYTES)
    return path.read_text(encoding="utf-8", errors="replace")
