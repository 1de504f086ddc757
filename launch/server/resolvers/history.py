"""The rows of a run as the API shows them: whole, by step, or sampled; keys; console lines."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from launch.server import arguments
from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Node
from launch.server.limits import MAX_PAGE
from launch.server.resolvers.paging import window
from launch.server.storage import lines
from launch.server.wire import Plain, at, json_object, object_in

DEFAULT_SAMPLES = 500
MAX_SAMPLES = 100_000
MAX_STEP = 2**62
_STAMPED = re.compile(
    r"(?P<level>ERROR )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?) (?P<text>.*)", re.DOTALL
)


@lru_cache(maxsize=4096)
def _key_facts(kind: str, count: int, monotonic: bool) -> Mapping[str, Any]:
    """What is told of one history key. Most keys of a run are logged equally often, so most share one object."""
    return {"typeCounts": [{"type": kind, "count": count}], "monotonic": monotonic, "previousValue": None}


class Facts:
    """What a list of runs tells of their histories, read for all of them at the first question."""

    def __init__(self, stream: lines.Lines, run_ids: Sequence[int]) -> None:
        self._stream = stream
        self._run_ids = run_ids
        self._ends: Mapping[int, tuple[int, int]] | None = None
        self._keys: dict[int, dict[str, Any]] | None = None

    def count(self, run_id: int) -> int:
        """One more than the number of the last line of a run's history."""
        return self._end(run_id)[0]

    def keys(self, run_id: int) -> Plain:
        """Which keys a run's history holds, how often, and its last step."""
        if self._keys is None:
            self._keys = {}
            for run, key, kind, count in self._stream.keys_of(self._run_ids):
                self._keys.setdefault(run, {})[key] = _key_facts(kind, count, key == "_step")
        return Plain({"sets": [], "keys": self._keys.get(run_id, {}), "lastStep": self._end(run_id)[1]})

    def _end(self, run_id: int) -> tuple[int, int]:
        if self._ends is None:
            self._ends = self._stream.ends(self._run_ids)
        return self._ends.get(run_id, (0, -1))


def rows(stream: lines.Lines, run_id: int, args: Arguments) -> Sequence[str]:
    """History rows as JSON strings: a range of steps whole, or all of it sampled."""
    first, stop = args.get("minStep"), args.get("maxStep")
    if first is not None or stop is not None:
        return stream.steps(run_id, int(first or 0), None if stop is None else int(stop))
    return thinned(stream.texts(run_id, lines.HISTORY), _samples(args))


def events(stream: lines.Lines, run_id: int, args: Arguments) -> Sequence[str]:
    """System metrics, sampled, as JSON strings."""
    return thinned(stream.texts(run_id, lines.EVENTS), _samples(args))


def sampled(stream: lines.Lines, run_id: int, args: Arguments) -> list[list[Mapping[str, Any]]]:
    """For each spec the rows that hold all of its keys, cut to them and sampled."""
    specs = args.get("specs")
    specs = [specs] if isinstance(specs, str) else specs
    if not isinstance(specs, list):
        raise ApiError("sampledHistory needs a list of specs")
    return [_by_spec(stream, run_id, json_object(spec, "a history spec")) for spec in specs]


def parquet(stream: lines.Lines, run_id: int, args: Arguments) -> Node:
    """No history is ever exported to Parquet here, so all of it is live, from its first step on."""
    first = stream.page(run_id, lines.HISTORY, lines.FIRST, 1)
    live = [{"_step": object_in(row["text"]).get("_step", 0)} for row in first]
    return {"parquetUrls": [], "liveData": live}


def console(stream: lines.Lines, run_id: int, args: Arguments) -> Node:
    """A page of the console, from the start or, with `last`, from the end."""
    last = args.get("last")
    if last is not None:
        found = stream.tail(run_id, lines.CONSOLE, min(int(last), MAX_PAGE))
        return {"edges": [_line(row) for row in found], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    offset, limit = window(args, default=MAX_PAGE)
    found = stream.page(run_id, lines.CONSOLE, offset, limit + 1)
    shown = found[:limit]
    end = str(shown[-1]["line"]) if shown else None
    page = {"__typename": "PageInfo", "hasNextPage": len(found) > limit, "endCursor": end}
    return {"edges": [_line(row) for row in shown], "pageInfo": page}


def thinned(items: Sequence[Any], samples: int) -> Sequence[Any]:
    """At most `samples` of the items, evenly spread, the first and the last among them."""
    if len(items) <= samples:
        return items
    if samples < 2:
        return items[-samples:] if samples else []
    step = (len(items) - 1) / (samples - 1)
    return [items[round(index * step)] for index in range(samples)]


def parse_line(text: str) -> dict[str, str | None]:
    """A console line with the level and the time that the client wrote before it."""
    match = _STAMPED.match(text)
    if match is None:
        return {"level": None, "timestamp": None, "line": text.rstrip("\n")}
    level = "error" if match["level"] else None
    return {"level": level, "timestamp": match["time"], "line": match["text"].rstrip("\n")}


def _line(row: Any) -> Node:
    node = {"number": row["line"], "label": None, **parse_line(row["text"])}
    return {"node": node, "cursor": str(row["line"])}


def _by_spec(stream: lines.Lines, run_id: int, spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    arguments.check("a history spec", spec)
    wanted = list(dict.fromkeys(key for key in spec.get("keys") or [] if key is not None))
    if not wanted:
        return []
    texts = stream.steps(run_id, spec.get("minStep") or 0, _stop(spec))
    chosen = [
        {key: at(row, key) for key in wanted}
        for row in map(object_in, texts)
        if all(_has(row, key) for key in wanted)
    ]
    return list(thinned(chosen, _samples(spec)))


def _stop(spec: Mapping[str, Any]) -> int | None:
    """The first step after those of a spec.

    Newer clients name the last step of a page, and ask for as many samples as it has steps; older ones name the
    first step of the next page.
    """
    last: int | None = spec.get("maxStep")
    if last is None:
        return None
    is_last: bool = spec.get("samples") == last - (spec.get("minStep") or 0) + 1
    return min(last, MAX_STEP) + is_last


def _has(row: Mapping[str, Any], key: str) -> bool:
    return key in row or at(row, key) is not None


def _samples(args: Mapping[str, Any]) -> int:
    value = args.get("samples")
    if value is None:
        return DEFAULT_SAMPLES
    if value < 0:
        raise ApiError(f"`samples` must not be negative: {value}")
    return min(int(value), MAX_SAMPLES)
