"""How things travel in bulk: parts, one after the other. A part is a line of JSON and as many bytes as it tells.

    {"part": "history", "bytes": 2431, "rows": 20, "first": 0}⏎ and then 2,431 bytes

What the bytes are says `docs/wandb-server.md`. This module knows no storage.
"""

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import orjson

from launch.server.errors import UNPROCESSABLE, ApiError

LONGEST_HEAD = 4 << 20
"""Bytes of the line before the bytes; it can hold the proofs of some thousands of files."""


class Part(NamedTuple):
    """One part: its kind, what its line tells, its bytes."""

    kind: str
    head: dict[str, Any]
    body: bytes


def packed(kind: str, body: bytes, **head: Any) -> bytes:
    """A part on its way."""
    return b"%b\n%b" % (orjson.dumps({"part": kind, "bytes": len(body), **head}), body)


def read_parts(file: IO[bytes], most: int) -> Iterator[Part]:
    """The parts in a file, from where it stands.

    Raises:
        ApiError: 422, it holds something else, or a part of more than `most` bytes.
    """
    while line := file.readline(LONGEST_HEAD):
        try:
            head = orjson.loads(line)
            kind, size = head["part"], head["bytes"]
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(f"not the head of a part: {line[:80]!r}", UNPROCESSABLE) from error
        if not isinstance(kind, str) or not isinstance(size, int) or not 0 <= size <= most:
            raise ApiError(f"a part of {size!r} bytes; at most {most:,} are taken", UNPROCESSABLE)
        body = file.read(size)
        if len(body) != size:
            raise ApiError(f"a part broke off after {len(body):,} of {size:,} bytes", UNPROCESSABLE)
        yield Part(kind, head, body)
