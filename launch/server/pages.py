"""Pages (placeholder)."""

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route


async def index(http: HttpRequest) -> Response:
    return PlainTextResponse("sashiko")


def routes() -> list[BaseRoute]:
    return [Route("/", index)]
