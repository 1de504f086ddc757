"""The media of a run as it logged them: at which steps there are some of a key, and what was logged at one.

What was logged is told in one shape: `{"kind", "items": [{"file" | "bins" …, "caption"}]}`. The bytes are `files`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.storage import lines
from launch.server.storage.curves import Medium
from launch.server.views.curves import built
from launch.server.views.parts import whole
from launch.server.views.places import run_of, sendable
from launch.server.wire import object_in

MOST_STEPS, MOST_ITEMS, MOST_BINS = 1_000, 64, 512
KINDS = {
    "image-file": "image", "images/separated": "image", "images": "image",
    "audio-file": "audio", "audio": "audio",
    "video-file": "video", "videos": "video",
    "html-file": "html", "html": "html",
    "table-file": "table", "plotly-file": "plotly", "plotly": "plotly",
    "histogram": "histogram",
}  # fmt: skip
"""How the client names what it logs, and what a page shows it as; all else is a file."""
LISTS = {"audio": "audio", "videos": "videos", "html": "html", "plotly": "plots", "images": "images"}


def media(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """Where a key has media, and those at line `at` (the last ones without it): `{"steps": [[line, step]], …}`."""
    with request.aside(writes=False) as look:
        run_id = run_of(look, parts)["id"]
    share = built(request, [run_id])
    if share < 1.0:
        return {"building": share}
    key = parts.get("key", "")
    places = _some(request.tables.curves.media(run_id, key))
    if not places:
        raise NotFound(f"this run has logged no media as {key[:80]!r}")
    known = {place.line: place.step for place in places}
    line = whole(parts, "at", places[-1].line, -(2**62), 2**62)
    line = line if line in known else places[-1].line
    text = request.tables.lines.at(run_id, lines.HISTORY, line)
    value = None if text is None else object_in(text).get(key)
    return {"steps": [list(place) for place in places], "at": line, "step": known[line], **sendable(shown(value))}


def shown(value: Any) -> dict[str, Any]:
    """What a medium is, in one shape for all that the client knows."""
    if not isinstance(value, dict):
        return {"kind": "none", "items": []}
    told = str(value.get("_type"))
    kind = KINDS.get(told, "file")
    if told == "histogram":
        return {"kind": kind, "items": [histogram(value)]}
    if told == "images/separated":
        names, captions = _list(value, "filenames"), _list(value, "captions")
        items = [{"file": name, "caption": at(captions, index)} for index, name in enumerate(names)]
        return {"kind": kind, "items": [item for item in items if isinstance(item["file"], str)][:MOST_ITEMS]}
    inner = _list(value, LISTS[told]) if told in LISTS else [value]
    return {"kind": kind, "items": [_file(item) for item in inner if isinstance(item, dict)][:MOST_ITEMS]}


def histogram(value: Mapping[str, Any]) -> dict[str, Any]:
    """Edges and counts of a histogram, of either form that the client writes."""
    counts = [number for number in _list(value, "values") if isinstance(number, int | float)]
    edges = _list(value, "bins")
    packed = value.get("packedBins")
    if isinstance(packed, dict):
        low, size, count = (packed.get(name) for name in ("min", "size", "count"))
        if isinstance(low, int | float) and isinstance(size, int | float) and isinstance(count, int):
            edges = [low + size * index for index in range(min(count, MOST_BINS) + 1)]
    edges = [edge for edge in edges if isinstance(edge, int | float)][: MOST_BINS + 1]
    good = len(edges) == len(counts) + 1
    return {"edges": edges if good else [], "counts": counts if good else []}


def at(items: Sequence[Any], index: int) -> str | None:
    """A caption, if there is one."""
    return str(items[index])[:500] if index < len(items) and items[index] is not None else None


def _file(value: Mapping[str, Any]) -> dict[str, Any]:
    caption = value.get("caption")
    rows = {name: value[name] for name in ("nrows", "ncols") if isinstance(value.get(name), int)}
    return {
        "file": str(value.get("path") or ""),
        "caption": None if caption is None else str(caption)[:500],
        **rows,
    }


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _some(places: Sequence[Medium]) -> Sequence[Medium]:
    """All of them, or some, evenly spread, the last among them."""
    if len(places) <= MOST_STEPS:
        return places
    return [places[(index + 1) * len(places) // MOST_STEPS - 1] for index in range(MOST_STEPS)]
