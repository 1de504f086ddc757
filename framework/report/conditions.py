"""Conditions on the columns of a frame, as people type them: `ridge>0.1`, `state=failed`, `name~vgg`."""

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from framework.errors import Problem
from framework.fields import nearest

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "==": operator.eq, "=": operator.eq,
    "<": operator.lt, ">": operator.gt, "~": lambda one, other: str(other) in str(one),
}  # fmt: skip
_WORDS = {"true": True, "false": False, "null": None}
_PART = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^|])+")
_CONDITION = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|==|=|<|>|~)\s*(?P<value>.*?)\s*")


class Condition(NamedTuple):
    """A column, how it is compared, and with what: a number, a word, one of several (`adam|sgd`)."""

    name: str
    sign: str
    values: tuple[Any, ...]

    def holds(self, one: Any) -> bool:
        """Whether a value meets it. What a run does not have is equal to nothing, and unequal to everything."""
        if one is None or one is pd.NA or (isinstance(one, float) and math.isnan(one)):
            return self.sign == "!=" and None not in self.values
        if self.sign == "!=":
            return all(_meets(one, "!=", other) for other in self.values)
        return any(_meets(one, self.sign, other) for other in self.values)


def _meets(one: Any, sign: str, other: Any) -> bool:
    is_number = isinstance(one, int | float | np.number) and not isinstance(one, bool)
    if sign in ("=", "==", "!=") and type(one) is not type(other) and not is_number:
        one, other = str(one), str(other)
    try:
        return bool(OPERATORS[sign](one, other))
    except TypeError:  # a text against a number
        return False


def read(text: str, known: Sequence[str]) -> Condition | Problem:
    """The condition that a text says, or what is wrong with it."""
    found = _CONDITION.fullmatch(text)
    if found is None or (found["sign"][0] in "<>" and not found["value"]):
        return Problem(f"--where {text}", f"is no condition; write NAME, one of {' '.join(OPERATORS)}, and VALUE")
    if found["name"] not in known:
        return Problem(f"--where {text}", f"names no column; {nearest(found['name'], known)}")
    words = [found["value"]] if found["sign"][0] in "<>" else _PART.findall(found["value"]) or [""]
    return Condition(found["name"], found["sign"], tuple(map(_value, words)))


def mistakes(frame: pd.DataFrame, conditions: Sequence[Condition]) -> Iterator[Problem]:
    """Bounds that are words where the column has numbers, or the other way round."""
    for name, sign, (value, *_) in conditions:
        if sign[0] not in "<>":
            continue
        there = [one for one in frame[name] if one is not None and one is not pd.NA and one == one]  # noqa: PLR0124
        numbers = [isinstance(one, int | float | np.number) for one in there]
        if there and isinstance(value, str) and all(numbers):
            yield Problem(f"--where {name}{sign}{value}", f"needs a number; {name} has numbers")
        if there and not isinstance(value, str) and not any(numbers):
            yield Problem(f"--where {name}{sign}{value}", f"is a number; {name} has texts, such as {there[0]!r}")


def _value(text: str) -> Any:
    """A number (`0.1`, `1e-3`, `inf`), true, false or null, what stands in quotes, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return _WORDS.get(text.lower(), text)


def chosen(frame: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The rows that meet all conditions."""
    for condition in conditions:
        frame = frame[[condition.holds(one) for one in frame[condition.name]]]
    return frame
