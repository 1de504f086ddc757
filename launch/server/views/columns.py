"""Runs as columns: configs and summaries flattened to dotted paths, and what varies apart from what is the same.

A value is a number, a text, true, false or null; a list is told as its JSON, a long text is cut, numbers that
JSON does not have (NaN, infinities, whole ones beyond 2⁵³) are told as texts. Knows no HTML and no database.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import orjson

from launch.server.errors import ApiError
from launch.server.wire import dumps, quick_json

T = TypeVar("T")
Scalar = str | int | float | bool | None
LONGEST, MOST_PATHS, MOST_LEVELS, DEEPEST = 200, 3_000, 256, 16
EXACT, AT_ONCE = 2**53, 25
"""The largest whole number that is exact in JSON; runs that are read at once: their objects are gone before the
collector of garbage looks at them."""
VERSION, RECORD = "wandb_version", "sashiko"


@dataclass
class Columns:
    """Values of many runs by path: `values[path][i]` is that of run i, None where it has none.

    Runs of one script tell the same keys in the same order, so they are turned into columns many at a time, which
    takes a fraction of the time of one by one. Paths beyond the first `MOST_PATHS` are counted nowhere: no script
    has so many on purpose.
    """

    count: int
    values: dict[str, list[Scalar]] = field(default_factory=dict)
    _sent: dict[str, orjson.Fragment] = field(default_factory=dict, repr=False, compare=False)

    def configs(self, first: int, texts: Sequence[str]) -> None:
        """The user's part of the configs of runs from number `first` on, without the client's wrapping."""
        found = _objects(texts)
        for places, key, column in _shared(range(first, first + len(texts)), found):
            if key[:1] != "_" and key != VERSION:
                own = [item["value"] if type(item) is dict and "value" in item else item for item in column]
                kept = [number for number, item in enumerate(own) if key != RECORD or not is_record(key, item)]
                where = places if len(kept) == len(own) else [places[number] for number in kept]
                self._column(key, where, [own[number] for number in kept], DEEPEST, lists=True)

    def summaries(self, first: int, texts: Sequence[str]) -> list[float | None]:
        """What summaries tell, without what tools wrote (`_…`) and media; returns each run's seconds so far."""
        found = _objects(texts)
        for places, key, column in _shared(range(first, first + len(texts)), found):
            if key[:1] != "_":
                self._column(key, places, column, DEEPEST, lists=False)
        return [_seconds(told) for told in found]

    def clear(self, place: int) -> None:
        """Forget the values of a run, or make room for one more at the end."""
        for column in self.values.values():
            column[place : place + 1] = [None]
        self.count = max(self.count, place + 1)
        self._sent.clear()

    def apart(self) -> tuple[dict[str, list[Scalar]], dict[str, Scalar]]:
        """The columns that vary; the value of each that does not."""
        same = {path: column[0] for path, column in self.values.items() if not _varies(column)}
        return {path: column for path, column in self.values.items() if path not in same}, same

    def sent(self, path: str, kind: str) -> orjson.Fragment:
        """A column as it is sent (see `told`), which is made once, until a value changes.

        The values of ten thousand runs lie scattered over the memory of a server that has long been at work: to go
        through them again takes half as long again as in one that has just been started.
        """
        if path not in self._sent:
            self._sent[path] = orjson.Fragment(orjson.dumps(told(path, kind, self.values[path])))
        return self._sent[path]

    def _column(self, path: str, places: Sequence[int], column: Sequence[Any], depth: int, *, lists: bool) -> None:
        """Values under one path, objects among them apart."""
        kinds = set(map(type, column))
        if dict in kinds or (list in kinds and not lists):
            inner = [number for number, item in enumerate(column) if type(item) is dict and "_type" not in item]
            if inner and depth:
                under = _shared([places[number] for number in inner], [column[number] for number in inner])
                for some, key, values in under:
                    self._column(f"{path}.{key}", some, values, depth - 1, lists=lists)
            plain = [number for number, item in enumerate(column) if type(item) is not dict]
            plain = [number for number in plain if lists or type(column[number]) is not list]
            places, column = [places[number] for number in plain], [column[number] for number in plain]
            kinds = set(map(type, column))
        if not column or (path not in self.values and len(self.values) >= MOST_PATHS):
            return
        self._sent.pop(path, None)
        easy = kinds == {float} and all(map(math.isfinite, column))
        told = column if easy else [_scalar(value) for value in column]
        stored = self.values.setdefault(path, [])
        if not stored:
            stored += [None] * self.count
        if isinstance(places, range):
            stored[places.start : places.stop] = told
        else:
            for place, value in zip(places, told, strict=True):
                stored[place] = value


def is_record(key: str, value: object) -> bool:
    """Whether an entry of a config is what runs of this project keep of themselves: all else, typed."""
    return key == RECORD and isinstance(value, dict) and {"config", "config_id"} <= value.keys()


def config_of(text: str) -> dict[str, Scalar]:
    """One run's config by dotted paths (see `Columns.configs`)."""
    columns = Columns(1)
    columns.configs(0, [text])
    return {path: column[0] for path, column in columns.values.items()}


def summary_of(text: str) -> tuple[dict[str, Scalar], float | None]:
    """One run's summary by dotted paths, and its seconds so far (see `Columns.summaries`)."""
    columns = Columns(1)
    [seconds] = columns.summaries(0, [text])
    return {path: column[0] for path, column in columns.values.items()}, seconds


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of so many items each; the last one of what is left."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def told(path: str, kind: str, values: Sequence[Scalar]) -> dict[str, Any]:
    """A column as it is sent: its values, or where they repeat their levels and the code of each."""
    types = set(map(type, values))
    if not (bool in types and types & {int, float}):  # 1 and true would be one level
        most = min(MOST_LEVELS, max(2, len(values) // 2))
        levels = dict.fromkeys(values[: 2 * MOST_LEVELS])  # of numbers that all differ, the first ones tell it
        levels = dict.fromkeys(values) if len(levels) <= most else levels
        if len(levels) <= most:
            codes = {level: code for code, level in enumerate(levels)}
            return {"path": path, "kind": kind, "levels": list(levels), "codes": [codes[item] for item in values]}
    return {"path": path, "kind": kind, "values": list(values)}


def first_of(columns: Mapping[str, Any], most: int, first: Iterable[str]) -> list[str]:
    """At most so many paths: those that come first, then the others as they came."""
    wanted = [path for path in first if path in columns]
    return list(dict.fromkeys([*wanted, *columns]))[:most]


def _shared(
    places: Sequence[int], found: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Sequence[int], str, Sequence[Any]]]:
    """Objects key by key: where those that have the same keys stand, a key, its values."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, item in enumerate(found):
        groups.setdefault(tuple(item), []).append(number)
    for keys, numbers in groups.items():
        whole = len(groups) == 1
        some = found if whole else [found[number] for number in numbers]
        where = places if whole else [places[number] for number in numbers]
        for key, column in zip(keys, zip(*(item.values() for item in some), strict=True), strict=True):
            yield where, key, column


def _objects(texts: Sequence[str]) -> list[Mapping[str, Any]]:
    """Stored JSON texts as objects, read as one list if they are what they should be."""
    try:
        found = orjson.loads(f"[{','.join(texts)}]")
    except orjson.JSONDecodeError:  # NaN somewhere, or no JSON at all
        found = []
    if len(found) == len(texts) and all(type(item) is dict for item in found):
        return found  # type: ignore[no-any-return]
    return [parsed(text) for text in texts]


def _seconds(found: Mapping[str, Any]) -> float | None:
    seconds = found.get("_runtime")
    if seconds is None:
        own = found.get("_wandb")
        seconds = own.get("runtime") if isinstance(own, dict) else None
    return seconds if isinstance(seconds, int | float) and math.isfinite(seconds) else None


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
    kind = type(value)
    if kind is int:
        return value if -EXACT < value < EXACT else str(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is bool or value is None:
        return value  # type: ignore[no-any-return]
    text = value if kind is str else dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
