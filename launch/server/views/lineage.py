"""Lineage as a graph: runs and the versions that they made and used, some steps in both directions."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from launch.server.request import Request
from launch.server.storage.artifacts import COMMITTED
from launch.server.views.places import run_address, run_of, version_address, version_of

MOST_NODES, MOST_STEPS, MOST_BESIDE, MOST_LISTED = 60, 6, 12, 100
"""Nodes of a graph, steps in each direction, neighbours of one node in one direction, and runs in a list."""
MOST_ASKED = 500
"""Runs beside a version of which it is asked whether the reader may see them."""
Node = tuple[str, int]
"""`run` or `artifact`, and its id."""


def of_run(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """The graph around a run."""
    return graph(request, ("run", run_of(request, parts)["id"]))


def of_version(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """The graph around a version."""
    return graph(request, ("artifact", version_of(request, parts)["id"]))


def graph(request: Request, middle: Node) -> dict[str, Any]:
    """`{"nodes": [{"id", "kind", "name", "href", "place", "more"}], "edges": [[from, to]], "cut": bool}`.

    `place` counts steps from the middle, what came before it negative. `more` neighbours of a node are not shown.
    """
    places: dict[Node, int] = {middle: 0}
    edges: dict[tuple[Node, Node], None] = {}
    more: dict[Node, int] = {}
    for way in (-1, 1):
        ring = [middle]
        for step in range(1, MOST_STEPS + 1):
            further: list[Node] = []
            for node in ring:
                beside = _beside(request, node, way)
                more[node] = more.get(node, 0) + max(0, len(beside) - MOST_BESIDE)
                for other in beside[:MOST_BESIDE]:
                    if other not in places:
                        if len(places) >= MOST_NODES:
                            more[node] += 1
                            continue
                        places[other] = way * step
                        further.append(other)
                    edges[(other, node) if way < 0 else (node, other)] = None
            ring = further
    told = {node: shown for node in places if (shown := _shown(request, node)) is not None}
    numbers = {node: index for index, node in enumerate(told)}
    return {
        "nodes": [
            {
                "id": numbers[node],
                "place": places[node],
                "more": more.get(node, 0),
                "middle": node == middle,
                **shown,
            }
            for node, shown in told.items()
        ],
        "edges": [[numbers[a], numbers[b]] for a, b in edges if a in numbers and b in numbers],
        "cut": len(places) >= MOST_NODES,
    }


def _beside(request: Request, node: Node, way: int) -> list[Node]:
    """What a node was made of (`way` -1) or what came of it (1), as far as the reader sees it."""
    kind, key = node
    artifacts = request.tables.artifacts
    if kind == "run":
        rows = artifacts.of_run(key, "used" if way < 0 else "made")
        return [("artifact", row["id"]) for row in rows if request.sees_version(row)]
    runs = artifacts.runs_of(key, "made" if way < 0 else "used")
    if request.caller.is_owner:
        return [("run", run) for run in runs]
    return [("run", run) for run in runs[:MOST_ASKED] if _seen_run(request, run) is not None]


def _seen_run(request: Request, key: int) -> sqlite3.Row | None:
    return request.seen(request.tables.runs.by_id(key))


def _shown(request: Request, node: Node) -> dict[str, Any] | None:
    kind, key = node
    if kind == "run":
        run = _seen_run(request, key)
        if run is None:
            return None
        name = run["display_name"] or run["name"]
        return {"kind": "run", "name": name, "about": run["state"].lower(), "href": run_address(run)}
    row = request.tables.artifacts.by_id(key)
    if row is None or row["state"] != COMMITTED or not request.sees_version(row):
        return None
    name = f"{row['collection_name']}:v{row['version_index']}"
    return {"kind": "artifact", "name": name, "about": row["type"], "href": version_address(row)}


def runs(request: Request, keys: Sequence[int]) -> list[sqlite3.Row]:
    """Those of some runs that the reader may see, the first ones where they are many."""
    return [row for key in keys[:MOST_LISTED] if (row := _seen_run(request, key)) is not None]
