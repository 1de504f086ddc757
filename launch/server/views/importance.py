"""What a sweep's metric depends on: shares of its variance by factor, from the runs that have finished."""

import math
from collections.abc import Mapping
from typing import Any

from framework.importance import importance, names_a_seed
from launch.server.request import Request
from launch.server.storage.runs import FINISHED
from launch.server.views.columns import Columns, Scalar
from launch.server.views.kept import FACTS
from launch.server.views.projects import losses_of
from launch.server.views.sweep import scope_of

MOST_FACTORS, MOST_SHOWN = 24, 16
"""Factors that are looked at (pairs of them grow with the square), and effects that are told."""


def shares(request: Request, parts: Mapping[str, str]) -> dict[str, Any]:
    """The effects of factors and pairs, the largest first; what seeds and all else explain; notes in words.

    Each has its `share`, and where there are replicates the `floor` that seeds alone would give it and the `p` of
    its F-test.
    """
    scope = scope_of(request, parts)
    metric = scope.measured
    if metric is None or scope.sweep is None:
        return {"method": None, "shares": [], "notes": ["The definition names no metric; choose one above"]}
    with request.services.kept.table(request.tables.runs, scope.column, scope.key) as table:
        done = [place for place, state in enumerate(table.facts[FACTS.index("state")]) if state == FINISHED]
        losses = losses_of(table, metric)
        own = {path: [levels[place] for place in done] for path, levels in table.configs.values.items()}
    sign = -1.0 if metric.maximize else 1.0
    values = [math.nan if (loss := losses[place]) is None else sign * loss for place in done]
    columns = Columns(len(done), own)
    varying = columns.apart()[0] if done else {}
    factors = {path: levels for path, levels in varying.items() if not names_a_seed(path)}
    seen = dict(list(factors.items())[:MOST_FACTORS])
    found = importance(scope.sweep["method"], seen, values, maximize=metric.maximize)
    notes = list(found.notes)
    if len(seen) < len(factors):
        notes.append(f"only the first {len(seen)} of {len(factors)} factors are looked at")
    told = [
        {"name": " × ".join(item.factors), "share": item.share, "floor": item.floor, "p": item.p}
        for item in found.effects[:MOST_SHOWN]
    ]
    rest: dict[str, Scalar] = {"seeds": found.seeds, "all else": found.left}
    return {
        "method": found.method,
        "metric": metric.name,
        "runs": found.runs,
        "cells": found.cells,
        "exact": found.exact,
        "shares": told,
        "rest": [{"name": name, "share": share} for name, share in rest.items() if share is not None],
        "notes": notes,
    }
