"""The rows of a run as the API shows them: whole, by step, or sampled; keys; console lines."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from launch.server.arguments import JSONS, PAGE, TEXTS, WHOLE, checked
from launch.server.errors import ApiError
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.limits import MAX_PAGE
from launch.server.request import Request
from launch.server.resolvers.paging import window
from launch.server.resolvers.table import define, field, part
from launch.server.storage import lines
from launch.server.wire import at, dumps, json_object, object_in

DEFAULT_SAMPLES = 500
MAX_SAMPLES = 100_000
MAX_STEP = 2**62
MAX_SPECS = 100
SPEC = {"keys": TEXTS, "minStep": WHOLE, "maxStep": WHOLE, "samples": WHOLE}
_STAMPED = re.compile(
    r"(?P<level>ERROR )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?) (?P<text>.*)", re.DOTALL
)


def rows(request: Request, run: sqlite3.Row, args: Arguments) -> Sequence[str]:
    """History rows as JSON strings: a range of steps whole, or all of it sampled."""
    stream, run_id = request.tables.lines, run["id"]
    first, stop = args.get("minStep"), args.get("maxStep")
    if first is not None or stop is not None:
        return stream.steps(run_id, int(first or 0), None if stop is None else int(stop))
    return thinned(stream.texts(run_id, lines.HISTORY), _samples(args))


def events(request: Request, run: sqlite3.Row, args: Arguments) -> Sequence[str]:
    """System metrics, sampled, as JSON strings."""
    return thinned(request.tables.lines.texts(run["id"], lines.EVENTS), _samples(args))


def sampled(request: Request, run: sqlite3.Row, args: Arguments) -> list[list[Mapping[str, Any]]]:
    """For each spec the rows that hold all of its keys, cut to them and sampled."""
    specs = args.get("specs")
    specs = [specs] if isinstance(specs, str) else specs
    if specs is None:
        raise ApiError("sampledHistory needs a list of specs")
    if len(specs) > MAX_SPECS:
        raise ApiError(f"sampledHistory takes at most {MAX_SPECS} specs, not {len(specs):,}")
    stream = request.tables.lines
    return [_by_spec(stream, run["id"], json_object(spec, "a history spec")) for spec in specs]


def exports(request: Request, run: sqlite3.Row, args: Arguments) -> list[str]:
    """Where the whole history of a run that has ended can be fetched as one Parquet file."""
    if request.export(run) is None:
        return []
    return [request.download_url(export_path(run["id"]))]


def live(request: Request, run: sqlite3.Row, args: Arguments) -> list[Mapping[str, Any]]:
    """What is not exported: nothing or, told by its first step, everything."""
    if request.export(run) is not None:
        return []
    first = request.tables.lines.page(run["id"], lines.HISTORY, lines.FIRST, 1)
    return [{"_step": object_in(row.text).get("_step", 0)} for row in first]


def export_path(run_id: int) -> str:
    """The path at which the exported history of a run is fetched."""
    return f"/storage/history/{run_id}/history.parquet"


def console(request: Request, run: sqlite3.Row, args: Arguments) -> Node:
    """A page of the console, from the start or, with `last`, from the end. A cursor is the number of a line."""
    stream, last = request.tables.lines, args.get("last")
    if last is not None and last < 0:
        raise ApiError(f"`last` must not be negative: {last}")
    if last is not None:
        found = stream.tail(run["id"], lines.CONSOLE, min(int(last), MAX_PAGE))
        return Node("LogLines", (found, False, None))
    offset, limit = window(args, default=MAX_PAGE)
    found = stream.page(run["id"], lines.CONSOLE, offset, limit + 1)
    told = found[:limit]
    return Node("LogLines", (told, len(found) > limit, str(told[-1].line) if told else None))


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


def _told(name: str) -> Resolver:
    return lambda request, row, args: parse_line(row.text)[name]


def _tail(name: str) -> Resolver:
    def last(request: Request, run: sqlite3.Row, args: Arguments) -> str:
        return dumps([row.text for row in request.tables.lines.tail(run["id"], name, 1)])

    return last


def _count(name: str) -> Resolver:
    return lambda request, run, args: request.tables.lines.count(run["id"], name)


def _by_spec(stream: lines.Lines, run_id: int, spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = checked("a history spec", SPEC, spec)
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


STREAMS: dict[str, Resolver | Field] = {
    "historyLineCount": lambda request, run, args: request.facts(run["id"]).count(run["id"]),
    "eventsLineCount": _count(lines.EVENTS),
    "logLineCount": _count(lines.CONSOLE),
    "historyTail": _tail(lines.HISTORY),
    "eventsTail": _tail(lines.EVENTS),
    "historyKeys": lambda request, run, args: request.facts(run["id"]).keys(run["id"]),
    "history": field(rows, minStep=WHOLE, maxStep=WHOLE, samples=WHOLE),
    "events": field(events, samples=WHOLE),
    "sampledHistory": field(sampled, specs=JSONS),
    "parquetHistory": lambda request, run, args: Node("ParquetHistory", run),
    "logLines": field(console, PAGE, last=WHOLE),
}
"""The lines of a run, as fields of it."""
define("ParquetHistory", part, {"parquetUrls": exports, "liveData": live}, name="")
define(
    "LogLines",
    part,
    {
        "edges": lambda request, page, args: [Node("LogLineEdge", row) for row in page[0]],
        "pageInfo": lambda request, page, args: Node("LogPageInfo", page),
    },
    name="",
)
define(
    "LogPageInfo",
    part,
    {"hasNextPage": lambda request, page, args: page[1], "endCursor": lambda request, page, args: page[2]},
    name="PageInfo",
)
define(
    "LogLineEdge",
    part,
    {
        "node": lambda request, row, args: Node("LogLine", row),
        "cursor": lambda request, row, args: str(row.line),
    },
    name="",
)
define(
    "LogLine",
    part,
    {
        "number": lambda request, row, args: row.line,
        "label": lambda request, row, args: None,
        "level": _told("level"),
        "timestamp": _told("timestamp"),
        "line": _told("line"),
    },
    name="",
)
