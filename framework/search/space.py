"""The `parameters` of a definition as a space to draw from: constants, and an axis for each that varies.

Parameters may nest (`parameters:` inside a parameter); a point then holds mappings inside mappings. This module
knows what a parameter may say and what it means if it leaves `distribution` out; the distributions themselves are
in `distributions`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from framework.errors import Problem
from framework.search.bounds import Spec, weight_problems
from framework.search.distributions import FAMILIES, TAIL, Axis, axis_of, choices, problems_of, weighted

CONSTANT, CATEGORICAL, WEIGHTED = "constant", "categorical", "categorical_w_probabilities"
NAMES = (CONSTANT, CATEGORICAL, WEIGHTED, *FAMILIES)
PLAIN_KEYS = {CONSTANT: ("value",), CATEGORICAL: ("values",), WEIGHTED: ("values", "probabilities")}

Path = tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """What varies, by its place in the point, and what does not. Axes are in the order of their sorted names."""

    axes: Mapping[Path, Axis]
    constants: Mapping[Path, Any]

    def point(self, coordinates: Sequence[float]) -> dict[str, Any]:
        """The point at these coordinates, one for each axis in order."""
        drawn = zip(self.axes.items(), coordinates, strict=True)
        values = {path: axis.value(coordinate) for (path, axis), coordinate in drawn}
        point: dict[str, Any] = {}
        for path, value in sorted({**self.constants, **values}.items()):
            *parents, last = path
            level = point
            for parent in parents:
                level = level.setdefault(parent, {})
            level[last] = value
        return point

    def at(self, share: float) -> dict[str, Any]:
        """The point at this share (0 to 1) of the way along every axis: 0.5 is the middle."""
        return self.point([_along(axis, share) for axis in self.axes.values()])

    def edges(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Points in the middle but for one axis, named first: each of its listed values, and both ends of a range.

        Distributions without ends have none.
        """
        middle = [_along(axis, 0.5) for axis in self.axes.values()]
        for place, (path, axis) in enumerate(self.axes.items()):
            for coordinate in _edges(axis):
                yield path, self.point([*middle[:place], coordinate, *middle[place + 1 :]])


def read_space(parameters: Mapping[str, Any], problems: list[Problem]) -> Space:
    """The space that a tree of parameters stands for; what is wrong with it is added to `problems`."""
    axes: dict[Path, Axis] = {}
    constants: dict[Path, Any] = {}
    for path, spec in _leaves(parameters, (), problems):
        found = list(_problems(spec))
        where = ".".join(("parameters", *path))
        problems += [replace(item, key=f"{where}.{item.key}" if item.key else where) for item in found]
        if not found:
            _place(path, spec, axes, constants)
    return Space(axes, constants)


def distribution_of(spec: Spec) -> str | None:
    """The distribution of a parameter: named, or what W&B's schema takes its keys for; None if they fit none."""
    if "distribution" in spec:
        return str(spec["distribution"])
    if "value" in spec:
        return CONSTANT
    if "values" in spec:
        return WEIGHTED if "probabilities" in spec else CATEGORICAL
    if "min" in spec and "max" in spec:
        integers = all(isinstance(spec[key], int) and not isinstance(spec[key], bool) for key in ("min", "max"))
        return "int_uniform" if integers else "uniform"
    return None


def _leaves(parameters: Mapping[str, Any], path: Path, problems: list[Problem]) -> Iterator[tuple[Path, Spec]]:
    for name, spec in sorted(parameters.items(), key=lambda item: str(item[0])):
        here = (*path, str(name))
        where = ".".join(("parameters", *here))
        if not isinstance(name, str):
            problems.append(Problem(where, f"is a {type(name).__name__}; names are strings: quote it"))
        elif not isinstance(spec, dict):
            message = f"is {spec!r}; write `value: …` for a constant, or what it is drawn from"
            problems.append(Problem(where, message))
        elif "parameters" not in spec:
            yield here, spec
        elif not isinstance(spec["parameters"], dict) or not spec["parameters"]:
            problems.append(Problem(f"{where}.parameters", "is empty; it is a mapping of names to parameters"))
        elif others := sorted(str(key) for key in spec.keys() - {"parameters"}):
            problems.append(Problem(where, f"has {', '.join(others)} beside `parameters`; keep one of them"))
        else:
            yield from _leaves(spec["parameters"], here, problems)


def _problems(spec: Spec) -> Iterator[Problem]:
    name = distribution_of(spec)
    if name is None:
        written = ", ".join(f"`{key}`" for key in spec) or "nothing"
        yield Problem("", f"has {written}; write `value`, `values`, `min` and `max`, or a `distribution`")
    elif name not in NAMES:
        yield Problem("distribution", f"is {spec['distribution']!r}; allowed: {', '.join(NAMES)}")
    elif name in FAMILIES:
        yield from problems_of(name, spec)
    else:
        allowed = PLAIN_KEYS[name]
        for key in sorted(str(key) for key in spec.keys() - {*allowed, "distribution"}):
            yield Problem(key, f"unknown key; {name} takes: {', '.join(allowed)}")
        if name == CONSTANT and "value" not in spec:
            yield Problem("value", "is missing; a constant needs it")
        if name != CONSTANT and not (isinstance(spec.get("values"), list) and spec["values"]):
            yield Problem("values", f"is {spec.get('values')!r}; a list with at least one value is needed")
        if name == WEIGHTED:
            yield from weight_problems(spec.get("values"), spec.get("probabilities"))


def _place(path: Path, spec: Spec, axes: dict[Path, Axis], constants: dict[Path, Any]) -> None:
    name = str(distribution_of(spec))
    values = [spec["value"]] if name == CONSTANT else spec.get("values")
    if values is not None and len(values) == 1:
        constants[path] = values[0]
    elif name == CATEGORICAL:
        axes[path] = choices(spec["values"])
    elif name == WEIGHTED:
        axes[path] = weighted(spec["values"], spec["probabilities"])
    else:
        axes[path] = axis_of(name, spec)


def _edges(axis: Axis) -> Sequence[float]:
    if axis.kind == "choice":
        return range(int(axis.low), int(axis.high) + 1)
    endless = axis.kind == "real" and axis.low <= TAIL and axis.high in (1.0, 1 - TAIL)
    return () if endless else (axis.low, axis.high)


def _along(axis: Axis, share: float) -> float:
    coordinate = axis.low + share * (axis.high - axis.low)
    return coordinate if axis.kind == "real" else round(coordinate)
