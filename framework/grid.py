"""Grids: axes over a config type, and the sweep definition that they amount to.

For example:

    Grid(
        StitchingConfig,
        choice("mapping.kind", ["linear", "mlp"]),
        choice("mapping.hidden", [64, 128]),            # only `mlp` has it: no duplicate runs for `linear`
        zipped({"batch_size": [64, 256], "learning_rate": [1e-3, 4e-3]}),
        choice("momentum", [0, 0.9], when={"optimizer": "sgd"}),
        replicates("seed", 3),                          # 0, 1, 2: averaged over in reports
        exclude=[same("source", "target"), {"mapping.kind": "mlp", "dataset": "digits"}],
        metric=minimize("stitched/mse_val"),            # what pages compare the points by
    )

Keys are dotted paths into the config, values are what the config types them as. Axes that do not depend on
each other stay separate parameters of the W&B sweep; axes that do (coupled, conditional, excluded) become one
parameter whose values are mappings, because W&B itself only knows products.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from framework.config import Config, canonical, canonical_json
from framework.definition import COUPLED, Definition
from framework.errors import GridError, Problem
from framework.fields import (
    defaults_of,
    discriminator_of,
    field_at,
    is_replicate,
    models_of,
    nearest,
    overlay,
    related,
    unions_on,
    written_out,
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """Rows of one axis (dotted key to value), and the conditions under which it applies."""

    rows: tuple[Mapping[str, Any], ...]
    when: Mapping[str, Any] = field(default_factory=dict)
    replicate: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The dotted keys that the axis sets."""
        return tuple(self.rows[0]) if self.rows else ()


@dataclass(frozen=True)
class Same:
    """Excludes the points in which two keys have equal values."""

    first: str
    second: str


def choice(key: str, values: Sequence[Any], when: Mapping[str, Any] | None = None) -> Axis:
    """One key, several values. `when` maps keys to a value, or a list of values, under which it applies."""
    return Axis(tuple({key: value} for value in values), when or {})


def zipped(columns: Mapping[str, Sequence[Any]], when: Mapping[str, Any] | None = None) -> Axis:
    """Coupled keys: the first values of all columns together, then the second ones, and so on.

    Raises:
        GridError: the columns differ in length.
    """
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise GridError([Problem("+".join(columns), f"coupled axes need equal lengths, but {shown}")])
    rows = zip(*columns.values(), strict=True)
    return Axis(tuple(dict(zip(columns, row, strict=True)) for row in rows), when or {})


def replicates(key: str, seeds: int | Sequence[int]) -> Axis:
    """Seeds that reports average over: `3` means 0, 1, 2. The config must mark the field with `replicate`."""
    values = range(seeds) if isinstance(seeds, int) else seeds
    return Axis(tuple({key: seed} for seed in values), replicate=True)


def same(first: str, second: str) -> Same:
    """For `exclude`: leaves out the points in which both keys have the same value."""
    return Same(first, second)


@dataclass(frozen=True)
class Metric:
    """What points are compared by: a key of the run's summary, and which end of it is best."""

    name: str
    goal: str


def minimize(name: str) -> Metric:
    """Lower is better. Choose a number of the val split: the test split selects nothing."""
    return Metric(name, "minimize")


def maximize(name: str) -> Metric:
    """Higher is better; as `minimize` otherwise."""
    return Metric(name, "maximize")


class Grid:
    """Axes over a config type. Construction finds every contradiction; listing waits until it is asked for."""

    def __init__(
        self,
        config: type[Config],
        *axes: Axis,
        base: Mapping[str, Any] | None = None,
        exclude: Sequence[Mapping[str, Any] | Same] = (),
        metric: Metric | None = None,
    ) -> None:
        """Put axes together; `base` holds constants by dotted key, `metric` is what pages show as the best.

        Raises:
            GridError: with every problem: unknown or repeated keys, empty axes, values without a JSON form.
        """
        constants = tuple(choice(key, [value]) for key, value in (base or {}).items())
        self.config, self.metric = config, metric
        self.axes = tuple(_written_out(config, axis) for axis in constants + axes)
        self.exclude = tuple(item if isinstance(item, Same) else _by_branch(config, item) for item in exclude)
        problems = list(self._problems())
        if problems:
            raise GridError(problems, f"grid over {config.__name__}")
        self._defaults = defaults_of(config)

    def parameters(self) -> dict[str, Any]:
        """The tree of W&B parameters."""
        tree: dict[str, Any] = {}
        for block in self._blocks():
            for path, values in block:
                _plant(tree, path.split("."), values)
        return tree

    def definition(self, name: str, experiment: str, **keys: Any) -> Definition:
        """The W&B sweep definition of the grid, to be run by `python -m experiments EXPERIMENT`."""
        command = ["${env}", "python", "-m", "experiments", experiment]
        head = {"name": name, **keys, "method": "grid"}
        if self.metric is not None:
            head["metric"] = {"name": self.metric.name, "goal": self.metric.goal}
        head["command"] = command
        return Definition({**head, "parameters": self.parameters()}, name)

    # --- checks ------------------------------------------------------------------------------------

    def _problems(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for axis in self.axes:
            if not axis.rows:
                yield Problem("", "an axis has no values; leave it out or give it one")
            for key in axis.keys:
                yield from self._key_problems(key)
                if key in seen:
                    yield Problem(key, "stands on two axes; merge their values")
                seen.add(key)
                info = field_at(self.config, key)
                if axis.replicate and info is not None and not is_replicate(info):
                    message = "is no replicate: mark the field with `replicate` in the config, or use `choice`"
                    yield Problem(key, message)
            for row in axis.rows:
                for key, value in row.items():
                    try:
                        canonical(_plain(value))
                    except ValueError as error:
                        yield Problem(key, str(error))
        yield from self._clashes()
        for condition in [*(axis.when for axis in self.axes), *self.exclude]:
            for key in _keys_of(condition):
                yield from self._key_problems(key)

    def _clashes(self) -> Iterator[Problem]:
        """Values that are no section, where another key lies inside it. Null on another axis closes it."""
        keys = [(key, axis) for axis in self.axes for key in axis.keys]
        for axis in self.axes:
            for (inner, other), key in itertools.product(keys, axis.keys):
                if not inner.startswith(f"{key}."):
                    continue
                stops = [stop for row in axis.rows if (stop := _stop(_plain(row[key]), inner[len(key) + 1 :]))]
                wrong = [value for (value,) in stops if value is not None or other is axis]
                if wrong:
                    message = f"is {wrong[0]!r} there, and `{inner}` lies inside it; give a section, or drop one"
                    yield Problem(key, message)

    def _key_problems(self, key: str) -> Iterator[Problem]:
        parts = key.split(".")
        for depth in range(1, len(parts) + 1):
            path = ".".join(parts[:depth])
            if field_at(self.config, path) is None:
                parent = ".".join(parts[: depth - 1])
                yield Problem(key, f"unknown key `{path}`; {nearest(parts[depth - 1], self._known(parent))}")
                return

    def _known(self, parent: str) -> list[str]:
        if not parent:
            return list(self.config.model_fields)
        info = field_at(self.config, parent)
        return [name for model in (models_of(info) if info else []) for name in model.model_fields]

    # --- axes that depend on each other ------------------------------------------------------------

    def _blocks(self) -> Iterator[list[tuple[str, list[Any]]]]:
        groups = [[index] for index in range(len(self.axes))]
        while (pair := self._linked_pair(groups)) is not None:
            first, second = pair
            groups[first] = sorted(groups[first] + groups[second])
            del groups[second]
        for group in groups:
            rows = self._rows([self.axes[index] for index in group])
            keys = list(dict.fromkeys(key for row in rows for key in row))
            if not rows:
                message = "every combination is excluded; nothing is left to run"
                raise GridError([Problem("+".join(keys), message)])
            if keys:
                yield _emitted(keys, rows)

    def _linked_pair(self, groups: list[list[int]]) -> tuple[int, int] | None:
        for first, second in itertools.combinations(range(len(groups)), 2):
            if self._linked(groups[first], groups[second]):
                return first, second
        return None

    def _linked(self, first: list[int], second: list[int]) -> bool:
        axes, others = [self.axes[i] for i in first], [self.axes[i] for i in second]
        mine = [key for axis in axes for key in axis.keys]
        theirs = [key for axis in others for key in axis.keys]
        if any(related(a, b) for a in self._needs(axes) for b in theirs):
            return True
        if any(related(a, b) for a in self._needs(others) for b in mine):
            return True
        for condition in self.exclude:
            keys = _keys_of(condition)
            if any(related(a, k) for a in mine for k in keys) and any(related(b, k) for b in theirs for k in keys):
                return True
        return any(related(a, b) for a in _territory(mine) for b in _territory(theirs))

    def _needs(self, axes: list[Axis]) -> list[str]:
        """The keys that decide whether the axes apply: those of `when`, and discriminators on their way."""
        conditions = [key for axis in axes for key in axis.when]
        unions = [union for axis in axes for key in axis.keys for union in unions_on(self.config, key)]
        return conditions + unions

    def _rows(self, axes: list[Axis]) -> list[Row]:
        rows: dict[str, Row] = {}
        for combination in itertools.product(*(axis.rows for axis in axes)):
            row = self._applicable(axes, combination)
            if not any(self._excluded(condition, row) for condition in self.exclude):
                rows.setdefault(canonical_json(row), row)
        return list(rows.values())

    def _applicable(self, axes: list[Axis], combination: tuple[Mapping[str, Any], ...]) -> Row:
        """The keys of those axes whose conditions hold and whose branch is selected."""
        conditional = any(axis.when for axis in axes) or bool(self._needs(axes))
        whole = {key: value for row in combination for key, value in row.items()}
        active = [i for i in range(len(axes)) if not any(_closed(whole, key) for key in axes[i].keys)]
        while True:
            row = {key: canonical(_plain(value)) for i in active for key, value in combination[i].items()}
            if not conditional:
                return row
            data = self._data(row)
            still = [
                i
                for i in active
                if all(_matches(_lookup(data, key), wanted) for key, wanted in axes[i].when.items())
                and all(field_at(self.config, key, data) is not None for key in axes[i].keys)
            ]
            if still == active:
                return row
            active = still

    def _data(self, row: Row) -> dict[str, Any]:
        return overlay(self.config, self._defaults, _nested(row))

    def _excluded(self, condition: Mapping[str, Any] | Same, row: Row) -> bool:
        if not any(related(key, wanted) for key in row for wanted in _keys_of(condition)):
            return False
        data = self._data(row)
        if isinstance(condition, Same):
            first, second = _lookup(data, condition.first), _lookup(data, condition.second)
            return bool(canonical_json(first) == canonical_json(second))
        return all(_matches(_lookup(data, key), wanted) for key, wanted in condition.items())


# --- small parts -------------------------------------------------------------------------------


def _written_out(config: type[Config], axis: Axis) -> Axis:
    """The axis with the names of branches, as in `choice("mapping", ["linear", "mlp"])`, written out."""
    infos = {key: field_at(config, key) for key in {key for row in axis.rows for key in row}}
    rows = tuple(
        {key: value if (info := infos[key]) is None else written_out(info, value) for key, value in row.items()}
        for row in axis.rows
    )
    return replace(axis, rows=rows, when=_by_branch(config, axis.when))


def _by_branch(config: type[Config], condition: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition with the names of branches asked for under the key that selects them, `mapping.kind`."""
    found = {}
    for key, wanted in condition.items():
        info = field_at(config, key)
        tag = discriminator_of(info) if info is not None else None
        named = tag is not None and all(isinstance(option, str) for option in _options(wanted))
        found[f"{key}.{tag}" if named else key] = wanted
    return found


def _closed(row: Mapping[str, Any], key: str) -> bool:
    """Whether a section around the key is null."""
    around = (name for name in row if key.startswith(f"{name}."))
    return any(_stop(_plain(row[name]), key[len(name) + 1 :]) for name in around)


def _stop(value: Any, path: str) -> tuple[Any, ...]:
    """What stands in a value where `path` needs a section on its way; nothing if there is none, or nothing."""
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return (value,)
        if part not in value:
            return ()
        value = value[part]
    return ()


def _options(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]


def _keys_of(condition: Mapping[str, Any] | Same) -> tuple[str, ...]:
    return (condition.first, condition.second) if isinstance(condition, Same) else tuple(condition)


def _plain(value: Any) -> Any:
    """Configs as their whole data, so that a point holds exactly what was put on the axis."""
    return value.model_dump() if isinstance(value, BaseModel) else value


def _matches(value: Any, wanted: Any) -> bool:
    return any(canonical_json(value) == canonical_json(option) for option in _options(wanted))


def _lookup(data: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return None
        data = data[part]
    return data


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested mappings; deeper keys are laid on the mappings of shallower ones."""
    nested: dict[str, Any] = {}
    for key in sorted(row, key=lambda key: key.count(".")):
        *parents, last = key.split(".")
        level = nested
        for parent in parents:
            below = level.get(parent)
            level[parent] = dict(below) if isinstance(below, Mapping) else {}
            level = level[parent]
        level[last] = row[key]
    return nested


def _territory(keys: list[str]) -> list[str]:
    """The paths that a group of axes takes for itself in the tree of parameters."""
    if len(keys) == 1:
        return keys
    parents = [key.split(".")[:-1] for key in keys]
    common = list(itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*parents, strict=False)))
    if common:
        return [".".join(parts[0] for parts in common)]
    return list(dict.fromkeys(key.split(".")[0] for key in keys))


def _emitted(keys: list[str], rows: list[Row]) -> list[tuple[str, list[Any]]]:
    """A group as one W&B parameter: its path, and a value a row."""
    territory = _territory(keys)
    if len(keys) == 1:
        return [(keys[0], [row[keys[0]] for row in rows])]
    nested = [_nested(row) for row in rows]
    if len(territory) == 1:
        (path,) = territory
        whole = [_lookup(data, path) for data in nested]
        null = [path in row and row[path] is None for row in rows]
        return [(path, [None if empty else value or {} for value, empty in zip(whole, null, strict=True)])]
    return [(COUPLED.join(territory), nested)]


def _plant(tree: dict[str, Any], path: list[str], values: list[Any]) -> None:
    *parents, last = path
    for parent in parents:
        tree = tree.setdefault(parent, {"parameters": {}})["parameters"]
    tree[last] = {"value": values[0]} if len(values) == 1 else {"values": values}
