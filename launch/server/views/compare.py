"""Two to twenty runs of a project beside each other: what differs, and their curves."""

import json
import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from launch.server.errors import ApiError
from launch.server.request import Request
from launch.server.views.curves import MOST_KEYS, MOST_POINTS, POINTS, built, drawn
from launch.server.views.parts import every, whole
from launch.server.views.places import is_bookkeeping, plain, project_of, run_address, run_of, told_summary
from launch.server.views.sweep_curves import flat, named

FEWEST, MOST, MOST_ROWS = 2, 20, 500
RECORD, MOST_RECORD = "provenance.toml", 4 << 20


class Table(NamedTuple):
    """Rows (a name, and a value of each run), and how many more there are that are the same for all."""

    rows: Sequence[tuple[str, Sequence[str | None]]]
    same: int


def page(request: Request, parts: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The page: what differs in config, code and packages; summaries side by side."""
    owner = project_of(request, parts)
    names = every(parts, "run")
    if not FEWEST <= len(names) <= MOST:
        return "compare.html", {
            "title": "Compare",
            "project": owner,
            "runs": [],
            "asked": len(names),
            "most": MOST,
        }
    found = _runs(request, parts, names)
    records = [record(request, run["id"]) for run in found]
    configs = [dict(flat(plain(json.loads(run["config"])))) for run in found]
    summaries = [told_summary(json.loads(run["summary"])) for run in found]
    return "compare.html", {
        "title": f"{len(found)} runs compared",
        "project": owner,
        "runs": found,
        "asked": len(names),
        "most": MOST,
        "config": differing(configs),
        "code": differing([_code(run, told) for run, told in zip(found, records, strict=True)]),
        "packages": differing([dict(flat(told.get("packages") or {})) for told in records]),
        "recorded": sum(bool(told) for told in records),
        "summary": _all([_plain_values(summary) for summary in summaries]),
        "given": {
            "base": f"/view/{parts['entity']}/{quote(owner['name'], safe='')}",
            "runs": [
                {"name": run["name"], "shown": run["display_name"] or run["name"], "href": run_address(run)}
                for run in found
            ],
            **_keys(request, found),
        },
    }


def curves(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """The curve of each key for each run: `{"keys": {key: [{"x", …} of each run]}}`, or `building`."""
    names = every(parts, "run")
    if not FEWEST <= len(names) <= MOST:
        raise ApiError(f"{FEWEST} to {MOST} runs are compared, not {len(names)}")
    with request.aside(writes=False) as look:
        ids = [run["id"] for run in _runs(look, parts, names)]
    share = built(request, ids)
    if share < 1.0:
        return {"building": share}
    keys = every(parts, "key")[:MOST_KEYS]
    points = whole(parts, "points", POINTS, 1, MOST_POINTS)
    first, last = whole(parts, "from", -(2**62), -(2**62), 2**62), whole(parts, "to", 2**62, -(2**62), 2**62)
    found = [request.tables.curves.read(run_id, keys, first, last, points) for run_id in ids]
    return {"keys": {key: [drawn(blocks[key]) for blocks in found] for key in keys}}


def record(request: Request, run_id: int) -> dict[str, Any]:
    """What a run's `provenance.toml` says; nothing without one that can be read."""
    row = request.tables.files.get(run_id, RECORD)
    if row is None:
        return {}
    try:
        return tomllib.loads(request.services.blobs.read(row["blob"], MOST_RECORD).decode())
    except (OSError, ApiError, ValueError, RecursionError):
        return {}


def differing(values: Sequence[Mapping[str, Any]]) -> Table:
    """The rows in which not all are the same."""
    whole_ = _all(values)
    rows = [(name, cells) for name, cells in whole_.rows if len(set(cells)) > 1]
    return Table(rows[:MOST_ROWS], len(whole_.rows) - len(rows))


def _all(values: Sequence[Mapping[str, Any]]) -> Table:
    names = sorted({name for some in values for name in some})
    rows = [(name, [named(some[name]) if name in some else None for some in values]) for name in names]
    return Table(rows[:MOST_ROWS], 0)


def _plain_values(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: float(f"{value:.5g}") if isinstance(value, float) else value
        for key, value in summary.items()
        if not isinstance(value, dict | list)
    }


def _code(run: sqlite3.Row, told: Mapping[str, Any]) -> dict[str, Any]:
    """What code a run was of: as the client says it, and as its provenance does."""
    git = told.get("git")
    columns = {"commit": run["commit_hash"], "repository": run["repo"], "program": run["program"]}
    own = {f"git.{key}": value for key, value in flat(git)} if isinstance(git, dict) else {}
    return {**{key: value for key, value in columns.items() if value}, **own}


def _runs(request: Request, parts: Mapping[str, str], names: Sequence[str]) -> list[sqlite3.Row]:
    return [run_of(request, {**parts, "run": name}) for name in names]


def _keys(request: Request, found: Sequence[sqlite3.Row]) -> dict[str, list[str]]:
    """The keys of which any run has a curve, and of which any has media."""
    numbers: dict[str, int] = {}
    media: set[str] = set()
    for run in found:
        for row in request.tables.lines.keys(run["id"]):
            if is_bookkeeping(row["key"]):
                continue
            if row["kind"] == "number":
                numbers[row["key"]] = numbers.get(row["key"], 0) + 1
            elif row["kind"] == "map" and '"_type"' in row["last"]:
                media.add(row["key"])
    return {"keys": sorted(numbers, key=lambda key: (-numbers[key], key)), "media": sorted(media)}
