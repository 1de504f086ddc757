"""Answers on their way to clients: how many large ones there may be, and how long a client may not read on.

What has been computed lies in memory until it is sent, and a client that does not read would keep it there. This
module does not know what an answer tells.
"""

import json
import logging
import threading
from collections import Counter
from typing import Any

import anyio
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from launch.server.errors import UNAVAILABLE, ApiError
from launch.server.limits import ANSWER_SECONDS, LARGE_ANSWERS, LARGE_ANSWERS_EACH

logger = logging.getLogger(__name__)
PIECE = 1 << 16


class Answers:
    """Counts the large answers that are computed or on their way: of all users, and of each."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._users: Counter[int] = Counter()

    def slot(self, user_id: int) -> "Slot":
        """What one answer to this user holds; nothing yet."""
        return Slot(self, user_id)

    def take(self, user_id: int) -> bool:
        """Count one more, if there may be one."""
        with self._guard:
            free = self._users.total() < LARGE_ANSWERS and self._users[user_id] < LARGE_ANSWERS_EACH
            self._users[user_id] += free
            return free

    def give(self, user_id: int) -> None:
        """Count one less."""
        with self._guard:
            self._users[user_id] -= 1
            self._users += Counter()  # those at 0 go


class Slot:
    """The place of one large answer among all."""

    def __init__(self, answers: Answers, user_id: int) -> None:
        self._answers = answers
        self._user_id = user_id
        self._taken = False

    def take(self) -> None:
        """Take the place, once it is known that the answer is large.

        Raises:
            ApiError: 503, as many as may be are on their way. The client tries again.
        """
        if not self._taken:
            self._taken = self._answers.take(self._user_id)
            if not self._taken:
                raise ApiError("many large answers are on their way: try again, or ask for less", UNAVAILABLE)

    def give(self) -> None:
        """Give it back; again is no mistake."""
        if self._taken:
            self._taken = False
            self._answers.give(self._user_id)


class Answer(JSONResponse):
    """A JSON reply in ASCII: a logged text may hold half a surrogate pair, which has no other form on the wire.

    It is sent piece by piece; a client that does not read on is cut off. At its end its place is given back.
    """

    def __init__(self, content: Any, slot: Slot) -> None:
        self._slot = slot
        super().__init__(content)

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        body, self.body = memoryview(self.body), b""
        try:
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            for place in range(0, len(body), PIECE):
                with anyio.fail_after(ANSWER_SECONDS):
                    more = place + PIECE < len(body)
                    piece = bytes(body[place : place + PIECE])
                    await send({"type": "http.response.body", "body": piece, "more_body": more})
        except TimeoutError:
            logger.info("a client that does not read on is cut off")
        finally:
            self._slot.give()
