"""What values the arguments of a field may have: checked once, before its resolver sees them.

The client sends whatever its user gave it, and anybody can send more. Each field of the table says which
arguments it takes and of which kind they are; what is not told there never reaches it. This module does not know
what a value is used for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from launch.server.errors import ApiError

MOST_WHOLE = 2**63 - 1
SHOWN = 60


class Kind(Protocol):
    """A kind of values."""

    def taken(self, prefix: str, name: str, value: Any, problems: list[str]) -> Any:
        """What a resolver gets of the argument `name`; what is wrong with it is added to `problems`."""


def is_text(value: object) -> bool:
    """A text without null characters, which no name on a disk or in a query may hold."""
    return isinstance(value, str) and "\x00" not in value


def is_whole(value: object) -> bool:
    """An integer that fits 64 bits, as the database stores it."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST_WHOLE


def is_number(value: object) -> bool:
    """A number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_WHOLE


@dataclass(frozen=True)
class Value:
    """A value that a test accepts; `words` say which."""

    accepts: Callable[[object], bool]
    words: str

    def taken(self, prefix: str, name: str, value: Any, problems: list[str]) -> Any:
        """See `Kind`."""
        if not self.accepts(value):
            problems.append(_refusal(prefix + name, self.words, value))
        return value


@dataclass(frozen=True)
class Shape:
    """An object with these fields, or (`many`) a list of such objects. Others in it are left out."""

    fields: Mapping[str, Kind]
    many: bool = False

    def taken(self, prefix: str, name: str, value: Any, problems: list[str]) -> Any:
        """See `Kind`."""
        if self.many:
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                problems.append(_refusal(prefix + name, "a list of objects", value))
                return value
            return [self._one(f"{prefix}{name}[{index}].", item, problems) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            problems.append(_refusal(prefix + name, "an object", value))
            return value
        return self._one("" if name == "input" else f"{prefix}{name}.", value, problems)

    def _one(self, prefix: str, value: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
        return {
            name: None if value[name] is None else kind.taken(prefix, name, value[name], problems)
            for name, kind in self.fields.items()
            if name in value
        }


TEXT = Value(is_text, "a text")
WHOLE = Value(is_whole, "a whole number of at most 64 bits")
NUMBER = Value(is_number, "a number of at most 64 bits")
FLAG = Value(lambda value: isinstance(value, bool), "true or false")
TEXTS = Value(
    lambda value: isinstance(value, list) and all(item is None or is_text(item) for item in value),
    "a list of texts",
)
"""A null in it is the client's way to say nothing."""
JSON = Value(lambda value: isinstance(value, dict | str), "a JSON object")
"""An object, or a text that should hold one."""
JSONS = Value(
    lambda value: isinstance(value, str | list) and all(isinstance(item, str | dict) for item in value),
    "a list of JSON objects",
)
CURSOR = Value(lambda value: is_text(value) or is_whole(value), "a cursor of this server")
"""A place in a list, as this server gave it."""
ALIASES = Shape(
    {"alias": TEXT, "artifactCollectionName": TEXT, "entityName": TEXT, "projectName": TEXT}, many=True
)
TAGS = Shape({"tagName": TEXT}, many=True)
PAGE: Mapping[str, Kind] = {"first": WHOLE, "after": CURSOR}
LIST: Mapping[str, Kind] = {**PAGE, "filters": JSON, "order": TEXT}


def checked(field: str, takes: Mapping[str, Kind], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a field that it takes; a null is nothing.

    Raises:
        ApiError: some are not what they must be; all of them are told.
    """
    problems: list[str] = []
    found = {
        name: None if given[name] is None else kind.taken("", name, given[name], problems)
        for name, kind in takes.items()
        if name in given
    }
    if problems:
        raise ApiError(f"{field}: {'; '.join(problems)}")
    return found


def _refusal(path: str, words: str, value: object) -> str:
    shown = repr(value)
    return f"{path} must be {words}, not {shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'}"
