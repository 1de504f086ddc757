"""Conditions on the columns of a frame, as people type them: `ridge>0.1`, `state=failed`, `name~vgg`."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from framework.errors import Problem
from framework.fields import nearest

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "==": operator.eq, "=": operator.eq,
    "<": operator.lt, ">": operator.gt, "~": lambda one, other: str(other) in str(one),
}  # fmt: skip
_CONDITION = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|==|=|<|>|~)\s*(?P<value>.*?)\s*")


class Condition(NamedTuple):
    """A column, how it is compared, and with what: a number, a word, a list, as YAML reads it."""

    name: str
    sign: str
    value: Any

    def holds(self, one: Any) -> bool:
        """Whether a value meets it. What a run does not have is equal to nothing, and unequal to everything."""
        other = self.value
        if one is None or one is pd.NA or (isinstance(one, float) and math.isnan(one)):
            return self.sign == "!=" and other is not None
        is_number = isinstance(one, int | float | np.number) and not isinstance(one, bool)
        if self.sign in ("=", "==", "!=") and type(one) is not type(other) and not is_number:
            one, other = str(one), str(other)
        try:
            return bool(OPERATORS[self.sign](one, other))
        except TypeError:  # a text against a number
            return False


def read(text: str, known: Sequence[str]) -> Condition | Problem:
    """The condition that a text says, or what is wrong with it."""
    found = _CONDITION.fullmatch(text)
    if found is None or (found["sign"][0] in "<>" and not found["value"]):
        return Problem(f"--where {text}", f"is no condition; write NAME, one of {' '.join(OPERATORS)}, and VALUE")
    if found["name"] not in known:
        return Problem(f"--where {text}", f"names no column; {nearest(found['name'], known)}")
    try:
        value = yaml.safe_load(found["value"]) if found["value"] else ""
    except yaml.YAMLError:
        value = found["value"]
    return Condition(found["name"], found["sign"], value)


def chosen(frame: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """The rows that meet all conditions."""
    for condition in conditions:
        frame = frame[[condition.holds(one) for one in frame[condition.name]]]
    return frame
