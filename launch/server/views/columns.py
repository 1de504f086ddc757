"""Runs as columns: configs and summaries flattened to dotted paths, and what varies apart from what is the same.

A value is a number, a text, true, false or null; a list is told as its JSON, a long text is cut, numbers that
JSON does not have (NaN, infinities, whole ones beyond 2⁵³) are told as texts. Knows no HTML and no database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launch.server.errors import ApiError
from launch.server.wire import dumps, quick_json

Scalar = str | int | float | bool | None
LONGEST, MOST_PATHS, MOST_LEVELS, DEEPEST = 200, 3_000, 256, 16
EXACT, HUGE = 2**53, 1e308
VERSION = "wandb_version"


@dataclass
class Columns:
    """Values of many runs by path: `values[path][i]` is that of run i, None where it has none.

    Paths beyond the first `MOST_PATHS` are counted nowhere: no script has so many on purpose.
    """

    count: int
    values: dict[str, list[Scalar]] = field(default_factory=dict)

    def config(self, index: int, text: str) -> None:
        """The user's part of a run's config, without the client's wrapping."""
        own = {
            key: item["value"] if type(item) is dict and "value" in item else item
            for key, item in parsed(text).items()
            if key[:1] != "_" and key != VERSION
        }
        self._put(index, own, "", DEEPEST)

    def summary(self, index: int, text: str) -> float | None:
        """What a run's summary tells, without what tools wrote (`_…`) and media; returns its seconds so far."""
        found = parsed(text)
        self._put(index, {key: item for key, item in found.items() if key[:1] != "_"}, "", DEEPEST, lists=False)
        own = found.get("_wandb")
        runtime = own.get("runtime") if isinstance(own, dict) else None
        seconds = found.get("_runtime", runtime)
        return seconds if isinstance(seconds, int | float) and -HUGE < seconds < HUGE else None

    def apart(self) -> tuple[dict[str, list[Scalar]], dict[str, Scalar]]:
        """The columns that vary; the value of each that does not."""
        same = {path: column[0] for path, column in self.values.items() if not _varies(column)}
        return {path: column for path, column in self.values.items() if path not in same}, same

    def _put(self, index: int, found: Mapping[str, Any], prefix: str, depth: int, *, lists: bool = True) -> None:
        values = self.values
        for key, value in found.items():
            kind = type(value)
            if kind is dict:
                if depth and "_type" not in value:
                    self._put(index, value, f"{prefix}{key}.", depth - 1)
                continue
            if kind is list and not lists:
                continue
            path = prefix + key
            column = values.get(path)
            if column is None:
                if len(values) >= MOST_PATHS:
                    continue
                column = values[path] = [None] * self.count
            column[index] = value if kind is float and -HUGE < value < HUGE else _scalar(value)


def config_of(text: str) -> dict[str, Scalar]:
    """One run's config by dotted paths (see `Columns.config`)."""
    columns = Columns(1)
    columns.config(0, text)
    return {path: column[0] for path, column in columns.values.items()}


def summary_of(text: str) -> tuple[dict[str, Scalar], float | None]:
    """One run's summary by dotted paths, and its seconds so far (see `Columns.summary`)."""
    columns = Columns(1)
    seconds = columns.summary(0, text)
    return {path: column[0] for path, column in columns.values.items()}, seconds


def told(path: str, kind: str, values: Sequence[Scalar]) -> dict[str, Any]:
    """A column as it is sent: its values, or where they repeat their levels and the code of each."""
    types = set(map(type, values))
    if not (bool in types and types & {int, float}):  # 1 and true would be one level
        levels = dict.fromkeys(values)
        if len(levels) <= min(MOST_LEVELS, max(2, len(values) // 2)):
            codes = {level: code for code, level in enumerate(levels)}
            return {"path": path, "kind": kind, "levels": list(levels), "codes": [codes[item] for item in values]}
    return {"path": path, "kind": kind, "values": list(values)}


def first_of(columns: Mapping[str, Any], most: int, first: Iterable[str]) -> list[str]:
    """At most so many paths: those that come first, then the others as they came."""
    wanted = [path for path in first if path in columns]
    return list(dict.fromkeys([*wanted, *columns]))[:most]


def _varies(column: Sequence[Scalar]) -> bool:
    first = column[0]
    return any(value != first or type(value) is not type(first) for value in column)


def parsed(text: str) -> Mapping[str, Any]:
    """A stored JSON text as an object; empty if it is something else, as that of an old database can be."""
    try:
        value = quick_json(text)
    except ApiError:
        return {}
    return value if isinstance(value, dict) else {}


def _scalar(value: Any) -> Scalar:
    """A value as one that can be sent."""
    if value is None or isinstance(value, bool) or (type(value) is int and -EXACT < value < EXACT):
        return value
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
