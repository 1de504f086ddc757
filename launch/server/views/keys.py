"""What the keys of a history are, by the last value of each: curves, media, or neither."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from launch.server.storage.blocks import DEEPEST
from launch.server.views.media import shown


def numbers_in(key: str, kind: str, last: str) -> list[str]:
    """The curves of a key: itself, or those inside a dictionary."""
    if kind == "number":
        return [key]
    if kind != "map":
        return []
    value = json.loads(last)
    return [] if "_type" in value else list(_inside(key, value))


def media_kind(kind: str, last: str) -> str | None:
    """As what a page shows the media of a key; None for what is none."""
    if kind != "map" or '"_type"' not in last:
        return None
    value = json.loads(last)
    return str(shown(value)["kind"]) if isinstance(value, dict) and "_type" in value else None


def _inside(key: str, value: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    for name, item in value.items():
        if type(item) in (int, float):
            yield f"{key}.{name}"
        elif isinstance(item, dict) and depth < DEEPEST:
            yield from _inside(f"{key}.{name}", item, depth + 1)
