"""A client of an ASGI application without a socket: requests in, whole replies out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Reply:
    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    app: ASGIApp
    host: str = "127.0.0.1:8765"
    peer: str = "127.0.0.1"

    def get(self, url: str, **more: Any) -> Reply:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> Reply:
        return self.request("POST", url, **more)

    def put(self, url: str, **more: Any) -> Reply:
        return self.request("PUT", url, **more)

    def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        breaks_off: bool = False,
        stalls: bool = False,
    ) -> Reply:
        """Send one request. `content` may be chunks; `breaks_off` leaves before the last, `stalls` just stops."""
        chunks = [content] if isinstance(content, bytes) else list(content)
        if json is not None:
            chunks = [_dumps(json)]
        parts = urlsplit(url)
        spoken = json is not None or method == "POST"
        names = {"host": self.host, **({"content-type": "application/json"} if spoken else {})}
        if method == "PUT" and isinstance(content, bytes) and not breaks_off and not stalls:
            names["content-length"] = str(len(content))
        names |= {name.lower(): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(parts.path), "raw_path": parts.path.encode(), "root_path": "",
            "query_string": parts.query.encode(), "client": (self.peer, 1), "server": ("127.0.0.1", 8765),
            "headers": [(name.lower().encode(), value.encode()) for name, value in names.items()],
        }  # fmt: skip
        incoming: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": breaks_off or stalls or index < len(chunks) - 1}
            for index, chunk in enumerate(chunks)
        ]
        if breaks_off:
            incoming.append({"type": "http.disconnect"})
        sent: list[Message] = []

        async def receive() -> Message:
            if not incoming:
                await anyio.sleep_forever()
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        async def call() -> None:
            try:
                await self.app(scope, receive, send)
            except Exception:
                if not sent:  # Starlette raises again after it has answered with a 500
                    raise

        anyio.run(call)
        start = sent[0]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        shown = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], shown, body)


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
