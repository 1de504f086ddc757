"""The pages behind the addresses that the client prints: HTML, and scripts that this server ships itself.

On a server that only its owner uses, whoever can reach 127.0.0.1 of this machine can read them without a key, as
they can read nothing else. As soon as there are other users a browser has to log in (`login`). This module shows;
it changes nothing.
"""

import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from launch.server import assets, page_data
from launch.server.auth import THE_OWNER
from launch.server.browsers import has_key, login_address, may_change, page_reader, to_login
from launch.server.errors import UNAUTHORIZED, ApiError
from launch.server.page_data import View
from launch.server.request import Request, Services
from launch.server.views import artifact_page, compare, run_page
from launch.server.views.parts import Parts
from launch.server.words import short

UI = Path(__file__).parent / "ui"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; media-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""With `no-referrer` a browser would send `Origin: null` with this server's own forms (`origin` refuses that)."""
PAGES: Mapping[str, View] = {
    "/": page_data.index,
    "/authorize": page_data.authorize,
    "/{entity}": page_data.entity,
    "/{entity}/{project}": page_data.project,
    "/{entity}/{project}/workspace": page_data.project,
    "/{entity}/{project}/sweeps": page_data.project,
    "/{entity}/{project}/runs": page_data.runs,
    "/{entity}/{project}/table": page_data.runs,
    "/{entity}/{project}/artifacts": page_data.project,
    "/{entity}/{project}/compare": compare.page,
    "/{entity}/{project}/sweeps/{sweep}": page_data.sweep,
    "/{entity}/{project}/runs/{run}": run_page.run,
    "/{entity}/{project}/runs/{run}/{rest:path}": run_page.run,
    "/{entity}/{project}/artifacts/{type}/{name}": artifact_page.artifact,
    "/{entity}/{project}/artifacts/{type}/{name}/{version}": artifact_page.artifact,
    "/{entity}/{project}/artifacts/{type}/{name}/{version}/{rest:path}": artifact_page.artifact,
}
"""What each address shows. The client prints those without `rest`; the others are those of W&B's own pages."""


def routes() -> list[BaseRoute]:
    """The addresses of the pages. They match any first part, so they stand after all others."""
    return [Route(address, _page(view)) for address, view in PAGES.items()]


def _page(view: View) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def show(http: HttpRequest) -> Response:
        return await run_in_threadpool(_render, http, view)

    return show


def _render(http: HttpRequest, view: View) -> Response:
    services: Services = http.app.state.services
    try:
        caller = page_reader(http)
        with Request(services, "", writes=False, caller=caller) as request:
            template, values = view(request, Parts.of(http))
            reader = caller.name if caller is not THE_OWNER else None
            shared = {"reader": reader, "may_change": may_change(http), "login": login_address(http)}
            text = TEMPLATES.get_template(template).render(**shared, **values)
    except ApiError as error:
        if error.status == UNAUTHORIZED and not has_key(http):
            return to_login(http)
        title = "Key needed" if error.status == UNAUTHORIZED else "Not found"
        text = TEMPLATES.get_template("error.html").render(title=title, message=error.message, reader=None)
        return HTMLResponse(text, status_code=error.status, headers=HEADERS)
    return HTMLResponse(text, headers=HEADERS)


def _ago(seconds: float | None) -> str:
    """A moment as a person says it."""
    if seconds is None:
        return "–"
    past = max(0, int(time.time() - seconds))
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if past >= unit:
            return f"{past // unit} {name} ago"
    return f"{past} s ago"


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _size(count: int) -> str:
    """Bytes as a person reads them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _value(value: Any) -> str:
    """A config or summary value, short."""
    if isinstance(value, dict) and "_type" in value:
        return f"{value['_type']} {value.get('path', '')}"
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        return text if len(text) <= 160 else text[:157] + "…"
    return short(value)


def _shortened(text: str, most: int = 24) -> str:
    """A name cut in the middle: the ends tell names apart."""
    if len(text) <= most:
        return text
    front = most // 2
    return f"{text[:front]}…{text[front + 1 - most :]}"


def _run_name(row: sqlite3.Row) -> str:
    return str(row["display_name"] or row["name"])


TEMPLATES = Environment(
    loader=FileSystemLoader(UI), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters.update(
    shortened=_shortened, ago=_ago, stamp=_stamp, size=_size, value=_value, run_name=_run_name
)
TEMPLATES.globals["modules"] = assets.modules
