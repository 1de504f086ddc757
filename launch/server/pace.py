"""Rate limits per key that slow a client down instead of turning it away.

Each key has a bucket of `burst` requests (by default what two seconds bring) that fills with `rate` a second (a
token bucket). A request that finds it empty waits for its token, in the order of asking. Only one that would wait
longer than `MOST_SECONDS` gets a 429 with `Retry-After`, which the client obeys and tries again: at that point
waiting would run into its own time limit. This module does not know what a request is for.
"""

import hashlib
import math
import time
from dataclasses import dataclass

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from launch.server import auth
from launch.server.errors import TOO_MANY, error_body

MOST_SECONDS = 20.0
MOST_BUCKETS = 10_000
BURST_SECONDS = 2.0


@dataclass
class Bucket:
    """When the bucket would be full again, were nobody to ask: a whole bucket in one number."""

    full_at: float = 0.0

    def take(self, now: float, rate: float, burst: int) -> float:
        """Take one token; the seconds to wait for it. Nothing is taken if that is more than `MOST_SECONDS`."""
        start = max(self.full_at, now)
        wait = max(0.0, start - now - (burst - 1) / rate)
        if wait <= MOST_SECONDS:
            self.full_at = start + 1 / rate
        return wait


class Pace:
    """ASGI middleware that delays requests beyond `rate` a second for each key; a rate of 0 lets all pass."""

    def __init__(self, app: ASGIApp, rate: float, burst: int | None = None) -> None:
        self.app = app
        self._rate = rate
        self._burst = max(1, round(rate * BURST_SECONDS)) if burst is None else burst
        self._buckets: dict[bytes, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in its time."""
        if self._rate > 0 and scope["type"] == "http":
            wait = self._bucket(scope).take(time.monotonic(), self._rate, self._burst)
            if wait > MOST_SECONDS:
                body = error_body(f"too many requests with this key; try again in {wait:.0f} s")
                headers = {"Retry-After": str(math.ceil(wait))}
                await JSONResponse(body, status_code=TOO_MANY, headers=headers)(scope, receive, send)
                return
            if wait > 0:
                await anyio.sleep(wait)
        await self.app(scope, receive, send)

    def _bucket(self, scope: Scope) -> Bucket:
        """The bucket of the request's key; of its address, where it carries none (signed uploads, pages)."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        key = auth.key_in(given[0].decode("latin-1")) if given else ""
        name = key.encode() if key else str((scope.get("client") or ("?",))[0]).encode()
        digest = hashlib.sha256(name).digest()
        if digest not in self._buckets:
            if len(self._buckets) >= MOST_BUCKETS:
                now = time.monotonic()
                self._buckets = {key: item for key, item in self._buckets.items() if item.full_at > now}
            self._buckets[digest] = Bucket()
        return self._buckets[digest]
