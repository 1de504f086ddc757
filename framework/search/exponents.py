"""Numbers that YAML 1.1 takes for text, where a sweep definition can only mean numbers.

`1e-4` is text for W&B's client (YAML 1.1 wants a dot and a sign: 1.0e-4) and a number for W&B's server, which
reads the client's text as YAML 1.2. Listed values stay as they are: there a text may be meant.
"""

from collections.abc import Mapping
from typing import Any

from framework.fields import EXPONENT

NUMBERS = ("min", "max", "mu", "sigma", "q", "a", "b")
EARLY_NUMBERS = ("min_iter", "max_iter", "s", "eta")


def with_numbers(data: Mapping[str, Any]) -> dict[str, Any]:
    """A definition with those texts as numbers; what is no mapping where one is expected stays as it is."""
    found = dict(data)
    for key, names in (("metric", ("target",)), ("early_terminate", EARLY_NUMBERS)):
        if isinstance(data.get(key), dict):
            found[key] = _converted(data[key], names, whole=key == "early_terminate")
    if isinstance(data.get("parameters"), dict):
        found["parameters"] = _of_tree(data["parameters"], grid=data.get("method") == "grid")
    return _converted(found, ("run_cap",), whole=True)


def _of_tree(parameters: Mapping[Any, Any], *, grid: bool) -> dict[Any, Any]:
    return {
        name: _of_one(spec, grid=grid) if isinstance(spec, dict) else spec for name, spec in parameters.items()
    }


def _of_one(spec: dict[str, Any], *, grid: bool) -> dict[str, Any]:
    if isinstance(spec.get("parameters"), dict):
        return {**spec, "parameters": _of_tree(spec["parameters"], grid=grid)}
    whole = spec.get("distribution", "int_uniform" if grid else "") == "int_uniform"
    spec = _converted(spec, NUMBERS, whole=whole)
    if isinstance(spec.get("probabilities"), list):
        return {**spec, "probabilities": [_number(item, whole=False) for item in spec["probabilities"]]}
    return spec


def _converted(data: dict[str, Any], names: tuple[str, ...], *, whole: bool) -> dict[str, Any]:
    changed = {name: _number(data[name], whole=whole) for name in names if isinstance(data.get(name), str)}
    return {**data, **changed} if changed else data


def _number(value: Any, *, whole: bool) -> Any:
    """The number that a text with an exponent means: an integer, where it is one and integers are wanted."""
    if not isinstance(value, str) or not EXPONENT.fullmatch(value):
        return value
    number = float(value)
    return int(number) if whole and number.is_integer() else number
