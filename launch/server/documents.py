"""Runs, versions and collections as filters and orders see them: columns, and paths into config and summary.

A path that leads nowhere gives `MISSING`, which is another thing than a null that is stored. A column that does
not exist is an error, as on W&B: a filter that looks at nothing would choose none, or with `$ne` all.
"""

import difflib
import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, Final

from launch.server.errors import ApiError

Document = Mapping[str, Any]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Where a path leads that leads nowhere."""
TIMES = frozenset({"created_at", "createdAt", "heartbeat_at", "heartbeatAt", "updated_at", "updatedAt"})
PLAIN = {
    "name": "name",
    "display_name": "display_name",
    "displayName": "display_name",
    "state": "state",
    "sweep": "sweep_name",
    "group": "group_name",
    "job_type": "job_type",
    "jobType": "job_type",
    "notes": "notes",
    "description": "description",
    "host": "host",
    "commit": "commit_hash",
    "username": "entity_name",
    "user": "entity_name",
    "entity": "entity_name",
    "project": "project_name",
}
"""Columns of the database by the names that filters give them."""
JSON = {"config": "config", "summary_metrics": "summary", "summaryMetrics": "summary", "tags": "tags"}
"""Those that hold JSON."""
DURATION = "duration"
RUN = frozenset({*PLAIN, *JSON, *TIMES, DURATION})
"""Every column of a run."""
NAMESAKES = {"summary": "summary_metrics", "metrics": "summary_metrics", "id": "name", "run_id": "name"}
"""What people write for a column, where no spelling tells it."""


class RunDocument(Document):
    """A run, read as far as somebody looks at it: config and summary are parsed once, if at all."""

    def __init__(self, row: sqlite3.Row) -> None:
        self._row = row
        self._parsed: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        """A column."""
        if key in PLAIN:
            return self._row[PLAIN[key]]
        if key in JSON:
            column = JSON[key]
            if column not in self._parsed:
                self._parsed[column] = json.loads(self._row[column])
            return self._parsed[column]
        if key == DURATION:
            return max(0.0, self._row["heartbeat_at"] - self._row["created_at"])
        return times(self._row)[key]

    def __iter__(self) -> Any:
        """The names of the columns."""
        return iter(RUN)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(RUN)


def times(row: sqlite3.Row) -> dict[str, Any]:
    """The times in a row by the names that filters give them, in whole seconds as the API tells them."""
    found = {}
    for name in ("created_at", "heartbeat_at", "updated_at"):
        column = name if name in row.keys() else "heartbeat_at"  # noqa: SIM118 - a row is no mapping
        if column in row.keys():  # noqa: SIM118
            first, _, second = name.partition("_")
            found[name] = found[first + second.capitalize()] = float(int(row[column]))
    return found


def checked(path: str, known: Collection[str], use: str) -> str:
    """`path`, once it is sure that it begins with a column; `use` says what for.

    Raises:
        ApiError: there is no such column; the nearest is named.
    """
    head, dot, rest = path.partition(".")
    if head in known:
        return path
    near = NAMESAKES.get(head)
    if near not in known:
        near = next(iter(difflib.get_close_matches(head, sorted(known), n=1)), None)
    listed = ", ".join(sorted(name for name in known if name.islower()))
    hint = f"did you mean {near + dot + rest!r}?" if near else f"there are {listed}"
    if near is None and {"config", "summary_metrics"} <= set(known):
        hint = f"write 'config.{path}' or 'summary_metrics.{path}' for a value of a run; {hint}"
    raise ApiError(f"no column {path!r} to {use} by: {hint}")


def lookup(document: Document, path: str) -> Any:
    """The value at a dotted path; `MISSING` if there is none, or a null column.

    `config.lr` and `config.lr.value` are the same.
    """
    head, _, rest = path.partition(".")
    value = document.get(head, MISSING)
    if not rest:
        return MISSING if value is None else value
    return _descend(value, rest, unwrap=head == "config")


def _descend(value: Any, path: str, *, unwrap: bool) -> Any:
    """Follow a path in which keys may themselves hold dots: the longest key that fits is taken."""
    if not isinstance(value, dict):
        return MISSING
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key not in value:
            continue
        found, rest = value[key], ".".join(parts[length:])
        inner = found["value"] if unwrap and isinstance(found, dict) and "value" in found else found
        if not rest:
            return inner
        straight = _descend(found, rest, unwrap=False)
        return straight if straight is not MISSING else _descend(inner, rest, unwrap=False)
    return MISSING
