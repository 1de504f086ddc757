"""In which order a list comes: `+created_at,-summary_metrics.loss`, the first the most important.

Numbers come before everything else whatever the direction, so that the best of a metric is a number if any run has
one: finite ones, infinite ones, booleans, texts; what cannot be ordered (missing, null, NaN, lists) comes last.
"""

import math
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from launch.server import documents, filters
from launch.server.documents import Document, RunDocument, lookup
from launch.server.search.metric import extremum

T = TypeVar("T")
FINITE, INFINITE, BOOLEAN, TEXT, ABSENT = range(5)
SUMMARIES = ("summary_metrics.", "summaryMetrics.")
COLUMNS = {
    "created_at": "runs.id",
    "createdAt": "runs.id",
    "heartbeat_at": "runs.heartbeat_at",
    "heartbeatAt": "runs.heartbeat_at",
    "updated_at": "runs.heartbeat_at",
    "updatedAt": "runs.heartbeat_at",
    "name": "runs.name",
    "display_name": "runs.display_name",
    "displayName": "runs.display_name",
    "state": "runs.state",
}
"""What the database can order by; times of making by the id, which is finer."""


def sql(order: object) -> str | None:
    """An order as SQL; None when it needs values that are not in a column.

    Raises:
        ApiError: it names a column that runs do not have.
    """
    found = []
    for key, descending in terms(order, documents.RUN):
        column = COLUMNS.get(key)
        if column is None:
            return None
        found.append(f"{column} {'DESC' if descending else 'ASC'}")
    return ", ".join([*found, "runs.id ASC"])


def sort_rows(
    rows: Sequence[sqlite3.Row], order: object, best: Callable[[sqlite3.Row], float | None] | None = None
) -> list[sqlite3.Row]:
    """Rows in an order that names any value. `best`: the value of the first term, where the summary lacks it."""
    pairs = [(row, RunDocument(row)) for row in sorted(rows, key=lambda row: int(row["id"]))]
    keys = terms(order, documents.RUN)
    for number, (key, descending) in reversed(list(enumerate(keys))):
        column = COLUMNS.get(key, "").removeprefix("runs.")
        if number == 0 and best is not None:
            values = [best(row) for row, _ in pairs]
        else:
            values = [row[column] if column else _value(told, key, descending) for row, told in pairs]
        pairs = _sorted(pairs, values, descending=descending)
    return [row for row, _ in pairs]


def chosen(
    items: Sequence[T], args: Mapping[str, Any], describe: Callable[[T], Document], known: Collection[str]
) -> list[T]:
    """The items that the argument `filters` accepts, in the order that `order` asks for.

    `known` are the columns that `describe` tells of each.

    Raises:
        ApiError: the filter is no JSON object, or holds an operator or a column that does not exist.
    """
    accept = filters.predicate(args.get("filters"), known)
    wanted = terms(args.get("order"), known)
    if accept is None and not wanted:
        return list(items)
    pairs = [(item, told) for item in items for told in [describe(item)] if accept is None or accept(told)]
    for key, descending in reversed(wanted):
        pairs = _sorted(pairs, [lookup(told, key) for _, told in pairs], descending=descending)
    return [item for item, _ in pairs]


def terms(order: object, known: Collection[str]) -> list[tuple[str, bool]]:
    """An order as (key, descending) pairs; the first is the most important.

    Raises:
        ApiError: it names a column that is not known.
    """
    text = order if isinstance(order, str) else ""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [(documents.checked(part.lstrip("+-"), known, "order"), part.startswith("-")) for part in parts]


def _value(told: Document, key: str, descending: bool) -> Any:
    """What a run is ordered by; of extremes that a summary keeps (`define_metric`) the one that comes first."""
    value = lookup(told, key)
    if isinstance(value, dict) and key.startswith(SUMMARIES):
        return extremum(value, largest=descending)
    return value


def _sorted(items: Sequence[T], values: Sequence[Any], *, descending: bool) -> list[T]:
    ranks: list[list[tuple[Any, T]]] = [[] for _ in range(ABSENT + 1)]
    for value, item in zip(values, items, strict=True):
        ranks[_rank(value)].append((value, item))
    for rank in ranks[:ABSENT]:
        rank.sort(key=lambda entry: entry[0], reverse=descending)
    return [item for rank in ranks for _, item in rank]


def _rank(value: Any) -> int:
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return FINITE
    if isinstance(value, float):
        return ABSENT if math.isnan(value) else FINITE if math.isfinite(value) else INFINITE
    return TEXT if isinstance(value, str) else ABSENT
