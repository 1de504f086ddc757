"""Curves of many runs of a sweep over each other: a line for each run, or a band for each value of a factor."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from launch.server.errors import NotFound
from launch.server.request import Request
from launch.server.storage.blocks import Block
from launch.server.views.curves import built, drawn
from launch.server.views.parts import whole
from launch.server.views.places import is_bookkeeping, plain, project_of, run_address
from launch.server.views.sweep import scope_of

COUNTERS = ("epoch", "step", "global_step", "trainer/global_step")
MOST_RUNS, MOST_LINES, MOST_GROUPS, POINTS, MOST_POINTS = 1_000, 200, 24, 120, 400


def curves(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """`{"keys", "factors", "key", "by", "lines" or "bands", "runs", "cut"}`; the first key without one."""
    with request.aside(writes=False) as look:
        found = _runs(look, parts)
        old = [run["id"] for run in found if look.tables.curves.behind(run["id"]) < 1.0]
    share = built(request, old)
    if share < 1.0:
        return {"building": share}
    keys = _keys(request, [run["id"] for run in found])
    key = parts["key"] if parts.get("key") in keys else _first(keys, scope_of(request, parts).metric)
    configs = {run["id"]: plain(json.loads(run["config"])) for run in found}
    factors = _factors(list(configs.values()))
    by = parts.get("by", "") if parts.get("by") in factors else ""
    points = whole(parts, "points", POINTS, 2, MOST_POINTS)
    told = {"keys": keys, "factors": factors, "key": key, "by": by, "runs": len(found), "cut": False}
    if key is None:
        return {**told, "lines": []}
    shown = found if by else found[:MOST_LINES]
    blocks = {run["id"]: request.tables.curves.read(run["id"], [key], points=points)[key] for run in shown}
    if not by:
        lines = [
            {"name": run["display_name"] or run["name"], "href": run_address(run), **drawn(blocks[run["id"]])}
            for run in shown
            if blocks[run["id"]]
        ]
        return {**told, "lines": lines, "cut": len(found) > len(shown)}
    from launch.server.views.bands import band  # here, because numpy is: a server starts without it

    groups: dict[str, list[Sequence[Block]]] = {}
    for run in shown:
        if blocks[run["id"]]:
            groups.setdefault(named(at(configs[run["id"]], by)), []).append(blocks[run["id"]])
    bands = [
        {"name": name, "runs": len(some), **band(some, points)}
        for name, some in sorted(groups.items(), key=_in_order)
    ]
    return {**told, "bands": bands[:MOST_GROUPS], "cut": len(bands) > MOST_GROUPS}


def _first(keys: Sequence[str], metric: Mapping[str, str] | None) -> str | None:
    """The key that is drawn unless somebody chooses: the sweep's metric, else one that does not merely count."""
    if metric is not None and metric["name"] in keys:
        return metric["name"]
    return next((key for key in keys if key not in COUNTERS), next(iter(keys), None))


def at(config: Mapping[str, Any], path: str) -> Any:
    """The value of a dotted path, which may be a key with dots itself."""
    if path in config:
        return config[path]
    head, _, rest = path.partition(".")
    inner = config.get(head)
    return at(inner, rest) if rest and isinstance(inner, dict) else None


def named(value: Any) -> str:
    """A value as the name of its group."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _in_order(item: tuple[str, Any]) -> tuple[int, float, str]:
    """Numbers by size, before words."""
    try:
        return 0, float(item[0]), ""
    except ValueError:
        return 1, 0.0, item[0]


def _runs(request: Request, parts: Mapping[str, str]) -> Sequence[sqlite3.Row]:
    owner = project_of(request, parts)
    sweep = request.tables.sweeps.by_name(owner["id"], parts["sweep"])
    if sweep is None:
        raise NotFound(f"no sweep {parts['sweep']} in {owner['name']}")
    return request.tables.runs.listed(("runs.sweep_id = ?", (sweep["id"],)), "runs.id ASC", 0, MOST_RUNS)


def _keys(request: Request, run_ids: Sequence[int]) -> list[str]:
    """The keys of which a run has more than one number, those of the most runs first."""
    if not run_ids:
        return []
    counts: dict[str, int] = {}
    for row in request.tables.lines.keys_of(run_ids):
        if row["kind"] == "number" and row["count"] > 1 and not is_bookkeeping(row["key"]):
            counts[row["key"]] = counts.get(row["key"], 0) + 1
    return sorted(counts, key=lambda key: (-counts[key], key))[:500]


def _factors(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs between the runs, as dotted paths, where it has no more values than can be told apart."""
    values: dict[str, set[str]] = {}
    for config in configs:
        for path, value in flat(config):
            values.setdefault(path, set()).add(named(value))
    return sorted(path for path, found in values.items() if 1 < len(found) <= MOST_GROUPS)


def flat(config: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """The values of a config with their dotted paths."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        path = f"{before}{key}"
        if isinstance(value, dict) and value:
            found += flat(value, f"{path}.")
        else:
            found.append((path, value))
    return found
