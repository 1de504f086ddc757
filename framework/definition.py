"""W&B sweep definitions: YAML text in W&B's own schema, and the points that it stands for.

A definition is read and written as plain data. It knows nothing of configs: what a point means is for
`framework.grid` and the experiment's Manager to say. Text is read as W&B's client reads it (YAML 1.1),
so that a file means the same here and in `wandb sweep FILE`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from framework.dialect import load
from framework.errors import DefinitionError, Problem
from framework.fields import EXPONENT, did_you_mean
from framework.search.carried import home_problems, value_problems
from framework.search.exponents import with_numbers
from framework.search.rules import early_problems, metric_problems
from framework.search.space import Space, read_space
from framework.search.unused import unused

COUPLED = "+"
"""Joins the names of parameters that vary together: `source+target` holds a mapping of both."""

KNOWN_KEYS = (
    "apiVersion",
    "command",
    "controller",
    "description",
    "early_terminate",
    "entity",
    "image_uri",
    "job",
    "kind",
    "method",
    "metric",
    "name",
    "parameters",
    "program",
    "project",
    "run_cap",
    "scheduler",
)
UNDONE = {"metrics": "is for `method: custom`, which is not done here; name one `metric`"}
"""Keys of W&B's schema that nothing here can follow."""
GRID_DISTRIBUTIONS = ("categorical", "constant", "int_uniform", "q_uniform")
LONGEST_AXIS = 1_000_000
"""Values that one range, or one level of nested parameters, may stand for in a grid."""
MOST_POINTS = 1_000_000
"""Points of a sweep."""


@dataclass(frozen=True)
class Definition:
    """A sweep in W&B's schema. `data` is the whole mapping, `parameters` its tree of axes."""

    data: Mapping[str, Any]
    where: str = field(default="", compare=False)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The tree of parameters, as written."""
        parameters: Mapping[str, Any] = self.data["parameters"]
        return parameters

    @property
    def method(self) -> str:
        """`grid`, `random` or `bayes`."""
        return str(self.data["method"])

    @property
    def is_grid(self) -> bool:
        """Whether the points are listed; those of the other methods are drawn by the tracker, one at a time."""
        return self.method == "grid"

    @property
    def run_cap(self) -> int | None:
        """The most points that are handed out, if the definition says so."""
        cap: int | None = self.data.get("run_cap")
        return cap

    @property
    def experiment(self) -> str:
        """The experiment that the sweep's command runs: the word after `-m experiments`.

        Raises:
            DefinitionError: the command runs something else.
        """
        command = [str(word) for word in self.data.get("command") or []]
        for module, name in itertools.pairwise(command):
            if module == "experiments" and not name.startswith(("-", "$")):
                return name
        example = '["${env}", "python", "-m", "experiments", "stitching"]'
        message = f"does not name an experiment of this project; write for example {example}"
        raise DefinitionError([Problem("command", message)], self.where)

    @property
    def warnings(self) -> list[Problem]:
        """What it says that nothing follows."""
        return warnings_of(self.data)

    def points(self) -> list[dict[str, Any]]:
        """Every point of the grid, as W&B hands it to a run: parameter name to value; the first `run_cap` of them.

        The order is that of the sorted parameter names, the last one fastest, whatever the order in the text.

        Raises:
            DefinitionError: the method is not `grid`, or a parameter cannot be listed.
        """
        if not self.is_grid:
            message = f"is {self.method!r}; only a grid has a list of points: the tracker draws the others"
            raise DefinitionError([Problem("method", message)], self.where)
        problems: list[Problem] = []
        names, axes = _axes(self.parameters, "", problems)
        if problems:
            raise DefinitionError(problems, self.where)
        rows = itertools.islice(itertools.product(*axes), self.run_cap)
        return [dict(zip(names, values, strict=True)) for values in rows]

    def axes(self) -> dict[str, list[Any]]:
        """The listed values of each parameter of a grid, whose product the points are."""
        return dict(zip(*_axes(self.parameters, "", []), strict=True))

    def space(self) -> Space | None:
        """What the tracker draws from; None for a grid, whose points are listed.

        Raises:
            DefinitionError: with every problem of the parameters.
        """
        if self.is_grid:
            return None
        problems: list[Problem] = []
        space = read_space(self.parameters, problems)
        if problems:
            raise DefinitionError(problems, self.where)
        return space

    def examples(self) -> list[dict[str, Any]]:
        """Points that together name every parameter and every listed value; a range shows as None.

        For a grid these are its points. Of what the tracker draws nobody can list more.
        """
        return self.points() if self.is_grid else _examples(self.parameters)

    def size(self) -> int | None:
        """The number of points, without listing them; None if they are drawn without an end."""
        if not self.is_grid:
            return self.run_cap
        size = math.prod(map(len, _axes(self.parameters, "", [])[1]))
        return size if self.run_cap is None else min(size, self.run_cap)

    def text(self) -> str:
        """The definition as YAML, in the order in which it was made."""
        data = {
            key: _laid_out(item) if key == "parameters" else _on_one_line(item) for key, item in self.data.items()
        }
        return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=100))


def read(text: str, where: str = "") -> Definition:
    """The sweep definition that the YAML `text` of a tracker holds: what can be read is, whoever made it.

    Raises:
        DefinitionError: with every problem found: not YAML, a key twice, an impossible axis.
    """
    data = parse(text, where)
    problems = list(_outline_problems(data))
    if problems:
        raise DefinitionError([*warnings_of(data), *problems], where)
    return Definition(data, where)


def checked(text: str, where: str = "") -> Definition:
    """The sweep definition that the YAML `text` holds, once nothing is wrong with it.

    Raises:
        DefinitionError: with every problem found, by `problems_of`; not YAML, or a key twice.
    """
    data = parse(text, where)
    problems = problems_of(data)
    if problems:
        raise DefinitionError([*warnings_of(data), *problems], where)
    return Definition(data, where)


def parse(text: str, where: str = "") -> dict[str, Any]:
    """The mapping that the YAML `text` holds, whatever is in it; `min: 1e-4` and the like are numbers.

    Raises:
        DefinitionError: not YAML, a key twice, or no mapping.
    """
    try:
        data = load(text)
    except yaml.YAMLError as error:
        raise DefinitionError([Problem("", f"is not valid YAML: {error}")], where) from None
    if not isinstance(data, dict):
        message = "is not a mapping; a sweep definition has the keys method, parameters and command"
        raise DefinitionError([Problem("", message)], where)
    return with_numbers(data)


def read_file(path: Path) -> Definition:
    """The sweep definition in a file.

    Raises:
        DefinitionError: the file cannot be read, or something is wrong with it, by `problems_of`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError([Problem("", f"cannot be read: {error}")], str(path)) from None
    return checked(text, str(path))


def problems_of(data: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a definition. The one place that says so, to commands and to the server."""
    problems = list(_outline_problems(data))
    parameters = data.get("parameters")
    if data.get("method") in ("random", "bayes") and isinstance(parameters, dict):
        before = len(problems)
        space = read_space(parameters, problems)
        if data["method"] == "bayes" and not space.axes and len(problems) == before:
            problems.append(Problem("parameters", "nothing varies; bayes needs at least one parameter to search"))
    if isinstance(parameters, dict):
        problems += value_problems(parameters)
    problems += home_problems(data)
    problems += metric_problems(data)
    problems += early_problems(data)
    size = None if problems else Definition(data).size()
    if size is not None and size > MOST_POINTS:
        message = f"stand for {size:,} points; at most {MOST_POINTS:,} are allowed: list fewer, or set run_cap"
        problems.append(Problem("parameters", message))
    return problems


def warnings_of(data: Mapping[str, Any]) -> list[Problem]:
    """What a definition says that nothing follows: keys of its own at the top, numbers that a distribution has no
    use for. W&B takes such a sweep and tells, and so is it done here.
    """
    parameters = data.get("parameters")
    found = [
        Problem(str(key), f"unknown key, which plays no part{did_you_mean(str(key), KNOWN_KEYS)}")
        for key in data
        if key not in KNOWN_KEYS and key not in UNDONE
    ]
    return found + (list(unused(parameters)) if isinstance(parameters, dict) else [])


def _outline_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the keys, the method, the cap and, for a grid, the axes of a definition."""
    for key in UNDONE.keys() & data.keys():
        yield Problem(key, UNDONE[key])
    if data.get("kind", "sweep") != "sweep":
        yield Problem("kind", f"is {data['kind']!r}; allowed: sweep")
    if "method" not in data:
        yield Problem("method", "is required; allowed: 'grid', 'random', 'bayes'")
    elif data["method"] not in ("grid", "random", "bayes"):
        yield Problem("method", f"is {data['method']!r}; allowed: 'grid', 'random', 'bayes'")
    for key in ("apiVersion", "name", "description", "program", "project", "entity"):
        if isinstance(data.get(key), dict | list):
            yield Problem(key, f"is {data[key]!r}; a text is needed")
    cap = data.get("run_cap")
    if cap is not None and (not isinstance(cap, int) or isinstance(cap, bool) or cap < 1):
        yield Problem("run_cap", f"is {cap!r}; allowed: a whole number above 0")
    if not isinstance(data.get("parameters"), dict) or not data["parameters"]:
        yield Problem("parameters", "is required: a mapping of parameter names to `value` or `values`")
    elif data.get("method") == "grid":
        found: list[Problem] = []
        _axes(data["parameters"], "", found)
        yield from found


def _axes(
    parameters: Mapping[str, Any], prefix: str, problems: list[Problem]
) -> tuple[list[str], list[list[Any]]]:
    """Names and listed values of one level of the tree; a nested level is one axis of mappings."""
    names: list[str] = []
    axes: list[list[Any]] = []
    for name in sorted(parameters, key=str):
        spec, key = parameters[name], f"parameters.{prefix}{name}"
        names.append(str(name))
        axes.append([])
        if not isinstance(name, str):
            problems.append(Problem(key, f"is a {type(name).__name__}; names are strings: quote it"))
        elif not isinstance(spec, dict):
            message = f"is {spec!r}; write `value: …` for a constant or `values: […]` for an axis"
            problems.append(Problem(key, message))
        elif isinstance(spec.get("parameters"), dict):
            inner_names, inner = _axes(spec["parameters"], f"{prefix}{name}.", problems)
            size = math.prod(map(len, inner))
            if size > LONGEST_AXIS:
                message = f"stands for {size:,} values; at most {LONGEST_AXIS:,} are allowed"
                problems.append(Problem(key, message))
            else:
                axes[-1] = [dict(zip(inner_names, row, strict=True)) for row in itertools.product(*inner)]
        else:
            axes[-1] = _listed(spec, key, problems)
    return names, axes


def _listed(spec: Mapping[str, Any], key: str, problems: list[Problem]) -> list[Any]:
    if spec.get("distribution", "categorical") not in GRID_DISTRIBUTIONS:
        allowed = ", ".join(GRID_DISTRIBUTIONS)
        message = f"has the distribution {spec['distribution']!r}; a grid allows: {allowed}"
        problems.append(Problem(key, message))
    elif is_range(spec):
        return _spread(spec, key, problems)
    elif "value" in spec and "values" not in spec:
        return [spec["value"]]
    elif isinstance(spec.get("values"), list) and spec["values"] and "value" not in spec:
        return list(spec["values"])
    else:
        message = "needs exactly one of `value: …` and `values: […]` (a list with at least one value)"
        problems.append(Problem(key, message))
    return []


def _examples(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for name, spec in sorted(parameters.items()):
        if not isinstance(spec, dict):
            columns[name] = [None]
        elif isinstance(spec.get("parameters"), dict):
            columns[name] = _examples(spec["parameters"])
        else:
            values = spec.get("values")
            columns[name] = values if isinstance(values, list) and values else [spec.get("value")]
    longest = max(map(len, columns.values()), default=0)
    return [{name: column[row % len(column)] for name, column in columns.items()} for row in range(longest)]


def is_range(spec: Mapping[str, Any]) -> bool:
    """Whether a parameter of a grid is a range: named so, or `min` and `max` without a name (W&B's schema)."""
    named = spec.get("distribution")
    return named in ("int_uniform", "q_uniform") or (named is None and "min" in spec and "max" in spec)


def _spread(spec: Mapping[str, Any], key: str, problems: list[Problem]) -> list[Any]:
    """The values of a range, as W&B's engine lists them: integers with both ends, steps of `q` without `max`."""
    steps = spec.get("distribution") == "q_uniform"
    bounds = {"min": spec.get("min"), "max": spec.get("max"), **({"q": spec.get("q", 1)} if steps else {})}
    kind, noun = ((int, float), "a number") if steps else ((int,), "an integer")
    found = [
        Problem(f"{key}.{name}", f"is {value!r}; a range in a grid needs `{name}` as {noun}, or list the `values`")
        for name, value in bounds.items()
        if not isinstance(value, kind) or isinstance(value, bool)
    ]
    others = sorted(str(name) for name in spec.keys() - bounds.keys() - {"distribution"})
    found += [Problem(f"{key}.{name}", f"unknown key; a range has: {', '.join(bounds)}") for name in others]
    if not found:
        low, high, step = (bounds["min"], bounds["max"], bounds["q"]) if steps else (*bounds.values(), 1)
        size = math.ceil((high - low) / step) if step > 0 and steps else high - low + 1
        if low >= high or step <= 0:
            found.append(Problem(key, f"has {bounds}; `min` must be below `max`, and `q` above 0"))
        elif size > LONGEST_AXIS:
            found.append(Problem(key, f"stands for {size:,} values; at most {LONGEST_AXIS:,} are allowed"))
        else:
            stride = (low + step) - low  # as NumPy's arange does, which W&B's engine lists them with
            return [low + index * stride for index in range(size)]
    problems += found
    return []


def raw_config(point: Mapping[str, Any]) -> dict[str, Any]:
    """The config data of a point: coupled parameters (`a+b`) are taken apart, the others stand.

    Raises:
        DefinitionError: two parameters give one key different values.
    """
    raw: dict[str, Any] = {}
    for name, value in point.items():
        parts = value if COUPLED in name and isinstance(value, Mapping) else {name: value}
        for key, item in parts.items():
            raw[key] = _together(raw[key], item, str(key)) if key in raw else item
    return raw


def _together(first: Any, second: Any, path: str) -> Any:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        shared = {key: _together(first[key], second[key], f"{path}.{key}") for key in first if key in second}
        return {**first, **second, **shared}
    if first != second:
        message = f"is {first!r} and {second!r} in one point, by two parameters; keep one of them"
        raise DefinitionError([Problem(path, message)])
    return first


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


class _FlowList(list[Any]):
    """A list that is written on one line."""


class _Dumper(yaml.CSafeDumper):
    """Writes each value of an axis on one line, as a person reads it, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeated values are written out."""
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.Node:
    # YAML 1.1 reads a bare 1e-3 as text, YAML 1.2 as a number: quotes make it text for both.
    style = "'" if EXPONENT.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), True)
)
_Dumper.add_representer(
    _FlowList, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True)
)


def _on_one_line(value: Any) -> Any:
    if isinstance(value, dict):
        return _Flow({key: _on_one_line(item) for key, item in value.items()})
    if isinstance(value, list):
        return _FlowList(_on_one_line(item) for item in value)
    return value


def _laid_out(spec: Any) -> Any:
    """A tree of parameters with the values marked for one line each; short lists of plain values whole."""
    if not isinstance(spec, dict):
        return spec
    laid = {key: _laid_out(item) for key, item in spec.items()}
    if "value" in spec:
        laid["value"] = _on_one_line(spec["value"])
    if isinstance(values := spec.get("values"), list):
        plain = not any(isinstance(item, dict | list) for item in values)
        laid["values"] = _on_one_line(values) if plain else [_on_one_line(item) for item in values]
    return laid
