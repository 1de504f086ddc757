"""Which runs a query means: MongoDB-style filters, as `wandb.Api().runs` sends them.

The conditions that name a column (`sweep`, `state`, `name`, …) at the top become SQL, so that the runs of one
sweep are found through an index; everything else is decided here, on the run's config and summary. Values are
compared as numbers where both are numbers (0 equals 0.0, true equals neither), times to the second, in UTC where
no zone is given. Text patterns are Python's. What is missing equals null, but does not exist. This module does not
know how runs are stored, apart from the names of their columns.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import regex

from launch.server import documents
from launch.server.documents import MISSING, Document, RunDocument, lookup
from launch.server.errors import ApiError
from launch.server.wire import json_object

Predicate = Callable[[Document], bool]
MAX_CONDITIONS = 1_000
MAX_PATTERN = 1_000
PATTERN_SECONDS = 0.2
"""How long one text may be compared with a pattern: some patterns take for ever."""

COLUMNS = {
    "name": "runs.name",
    "state": "runs.state",
    "group": "runs.group_name",
    "job_type": "runs.job_type",
    "jobType": "runs.job_type",
    "display_name": "runs.display_name",
    "displayName": "runs.display_name",
    "sweep": "sweeps.name",
    "host": "runs.host",
}


@dataclass(frozen=True)
class Query:
    """A compiled filter: an SQL condition with values, and what is left to decide for each run."""

    condition: str
    values: Sequence[object]
    rest: Predicate | None

    def accepts(self, row: sqlite3.Row) -> bool:
        """Whether a run that meets the condition also meets the rest."""
        return self.rest is None or self.rest(RunDocument(row))


def compile_filter(text: object) -> Query:
    """Compile a filter of runs, given as JSON text.

    Raises:
        ApiError: it is no JSON object, or holds an operator or a column that does not exist.
    """
    query = _bounded(text)
    conditions: list[str] = []
    values: list[object] = []
    rest: list[Predicate] = []
    for part in _conjuncts(query):
        for key, wanted in part.items():
            column = COLUMNS.get(key)
            if column is not None and isinstance(wanted, str):
                conditions.append(f"{column} = ?")
                values.append(wanted)
            else:
                rest.append(_predicate(key, wanted, documents.RUN))
    return Query(
        " AND ".join(conditions) or "1",
        values,
        (lambda row: all(accept(row) for accept in rest)) if rest else None,
    )


def predicate(text: object, known: Collection[str]) -> Predicate | None:
    """A filter of documents with the columns `known`, given as JSON text; None for one that accepts all.

    Raises:
        ApiError: it is no JSON object, or holds an operator or a column that does not exist.
    """
    query = _bounded(text)
    return _all(query, known) if query else None


def _bounded(text: object) -> Mapping[str, Any]:
    """A filter, once it is known that it does not ask for too much of every run."""
    query = json_object(text, "filters")
    waiting: list[Any] = [query]
    for count, item in enumerate(waiting):
        if count > MAX_CONDITIONS:
            raise ApiError(f"a filter may have at most {MAX_CONDITIONS:,} conditions")
        if isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return query


def same(left: Any, right: Any) -> bool:
    """Equality as sweeps need it: numbers by value, booleans only with booleans, all the way down."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def _conjuncts(query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a query of which all must hold, `$and` opened."""
    parts: list[Mapping[str, Any]] = []
    for key, value in query.items():
        if key == "$and":
            for item in _list(key, value):
                parts.extend(_conjuncts(_object(key, item)))
        else:
            parts.append({key: value})
    return parts


def _all(query: Mapping[str, Any], known: Collection[str]) -> Predicate:
    accepts = [_predicate(key, value, known) for key, value in query.items()]
    return lambda run: all(accept(run) for accept in accepts)


def _predicate(key: str, wanted: Any, known: Collection[str]) -> Predicate:
    if key in ("$and", "$or", "$nor"):
        parts = [_all(_object(key, item), known) for item in _list(key, wanted)]
        if key == "$and":
            return lambda run: all(part(run) for part in parts)
        if key == "$or":
            return lambda run: any(part(run) for part in parts)
        return lambda run: not any(part(run) for part in parts)
    if key == "$not":
        part = _all(_object(key, wanted), known)
        return lambda run: not part(run)
    if key.startswith("$"):
        raise ApiError(f"unknown filter operator {key!r}")
    documents.checked(key, known, "filter")
    test = _test(_seconds_in(wanted) if key in documents.TIMES else wanted)
    return lambda run: test(lookup(run, key))


def _seconds_in(wanted: Any) -> Any:
    """A condition on a time with its texts as seconds."""
    if isinstance(wanted, dict):
        return {name: value if name == "$exists" else _seconds_in(value) for name, value in wanted.items()}
    if isinstance(wanted, list):
        return [_seconds_in(item) for item in wanted]
    if not isinstance(wanted, str):
        return wanted
    try:
        time = datetime.fromisoformat(wanted)
    except ValueError as error:
        raise ApiError(f"not a time: {wanted[:80]!r}; write 2026-01-31 or 2026-01-31T12:00:00Z") from error
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()


def _test(wanted: Any) -> Callable[[Any], bool]:
    """What a value must be: a plain value, or operators on it."""
    if not (isinstance(wanted, dict) and any(key.startswith("$") for key in wanted)):
        return lambda value: _equal(value, wanted)
    if "$regex" in wanted:
        wanted = {**wanted, "$regex": (wanted["$regex"], wanted.get("$options"))}
    tests = [_operator(name, operand) for name, operand in wanted.items() if name != "$options"]
    return lambda value: all(test(value) for test in tests)


def _operator(name: str, operand: Any) -> Callable[[Any], bool]:
    if name in _COMPARISONS:
        compare = _COMPARISONS[name]
        return lambda value: _comparable(value, operand) and compare(value, operand)
    if name in _OPERATORS:
        return _OPERATORS[name](operand)
    raise ApiError(f"unknown filter operator {name!r}")


def _one_of(operand: Any, *, wanted: bool) -> Callable[[Any], bool]:
    options = _list("$in", operand)
    return lambda value: any(_equal(value, option) for option in options) is wanted


def _not(operand: Any) -> Callable[[Any], bool]:
    test = _test(operand)
    return lambda value: not test(value)


def _matches(operand: Any) -> Callable[[Any], bool]:
    pattern = _pattern(*operand)

    def fits(value: Any) -> bool:
        if isinstance(value, list):
            return any(fits(item) for item in value)
        if not isinstance(value, str):
            return False
        try:
            return pattern.search(value, timeout=PATTERN_SECONDS) is not None
        except TimeoutError as error:
            raise ApiError(f"$regex: the pattern {pattern.pattern[:80]!r} takes too long") from error

    return fits


_OPERATORS: Mapping[str, Callable[[Any], Callable[[Any], bool]]] = {
    "$eq": lambda operand: lambda value: _equal(value, operand),
    "$ne": lambda operand: lambda value: not _equal(value, operand),
    "$in": lambda operand: _one_of(operand, wanted=True),
    "$nin": lambda operand: _one_of(operand, wanted=False),
    "$exists": lambda operand: lambda value: (value is not MISSING) is bool(operand),
    "$not": _not,
    "$regex": _matches,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda value, bound: bool(value > bound),
    "$gte": lambda value, bound: bool(value >= bound),
    "$lt": lambda value, bound: bool(value < bound),
    "$lte": lambda value, bound: bool(value <= bound),
}


def _equal(value: Any, wanted: Any) -> bool:
    if value is MISSING:
        return wanted is None
    if same(value, wanted):
        return True
    return isinstance(value, list) and any(same(item, wanted) for item in value)


def _comparable(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    both_numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return both_numbers or (isinstance(left, str) and isinstance(right, str))


def _pattern(text: Any, options: Any) -> "regex.Pattern[str]":
    if not isinstance(text, str) or len(text) > MAX_PATTERN:
        raise ApiError(f"$regex takes a text of at most {MAX_PATTERN} characters")
    try:
        return regex.compile(text, regex.IGNORECASE if "i" in str(options or "") else 0)
    except regex.error as error:
        raise ApiError(f"$regex: {error}") from error


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ApiError(f"{name} takes a list")
    return value


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(f"{name} takes conditions, not {value!r}")
    return value
