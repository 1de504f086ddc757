"""The plan: a sweep's definition as typed, named pieces of work, what they require, and how two plans differ.

A point of a sweep and an artifact that it requires are the same thing: a piece of work with a kind, a config and
the identity `kind-config_id`. This module imports neither torch nor wandb, so that planning ten thousand points
takes less than a second; it knows no tracker, and not what has been done: `framework.tracking.ledger` does.
"""

import gc
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from framework.config import Config, canonical_json, kept, stands_by_fields
from framework.definition import Definition, raw_config
from framework.errors import ConfigError, GridError, Problem

RUN = "run"
"""The kind of a piece of work that is a run of the experiment itself, not an artifact that one requires."""
LONGEST_TAG = 64
"""Characters of a tag that W&B takes; with a longer one its client does not begin the run."""
LONGEST_VALUE = 32
REPLACED = "\N{REPLACEMENT CHARACTER}"
SHOWN = 10
LIKE_JSON = re.compile(r"null|true|false|-?\d+(\.\d*)?([eE][-+]?\d+)?")
"""Texts that are quoted in a name, so that they are not taken for what they look like."""


class Work(NamedTuple):
    """A piece of work: its kind (`run`, or that of the artifact it makes), and the config that says everything."""

    kind: str
    config: Config

    @property
    def identity(self) -> str:
        """`<kind>-<config_id>`: equal wherever and whenever it is planned; also the name of what it makes."""
        return f"{self.kind}-{self.config.config_id}"


@dataclass(frozen=True)
class Point:
    """One planned run of a sweep: its place in the grid, its config, and a name made from what differs."""

    index: int
    name: str
    batch: str
    config: Config
    raw: Mapping[str, Any] = field(repr=False)

    @kept
    def config_id(self) -> str:
        """The identity of the config."""
        return self.config.config_id

    @property
    def work(self) -> Work:
        """The point as a piece of work."""
        return Work(RUN, self.config)

    @property
    def label(self) -> str:
        """`<batch>_config<index>`: the run's place in its batch; of a long name as much as a tag of W&B holds."""
        place = f"_config{self.index}"
        return f"{self.batch[: LONGEST_TAG - len(place)]}{place}"


def plan(config: type[Config], definition: Definition) -> list[Point]:
    """Every point of a sweep, validated and named, in the order in which it is handed out.

    Raises:
        DefinitionError: the definition is no grid.
        ConfigError: with the problems of all points together; no run may start then.
        GridError: two points are the same piece of work.
    """
    with _nothing_is_garbage():
        raws = [raw_config(point) for point in definition.points()]
        configs = typed_points(config, raws, definition.where)
        batch = str(definition.data.get("name") or definition.where or "sweep")
        names = names_of(raws)
        points = [
            Point(index, name, batch, typed, raw)
            for index, (name, typed, raw) in enumerate(zip(names, configs, raws, strict=True))
        ]
        twice = list(_repeated(points))
    if twice:
        raise GridError(twice, definition.where)
    return points


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """No look for garbage meanwhile: what is made here stays, and each look goes through all of it again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _repeated(points: Sequence[Point]) -> Iterable[Problem]:
    """A problem for every point that is the same work as an earlier one; the first few, and how many more."""
    first: dict[str, Point] = {}
    found = []
    for point in points:
        other = first.setdefault(point.config_id, point)
        if other is not point:
            found.append((other, point))
    for other, point in found[:SHOWN]:
        apart = [
            key for key, text in dict(_leaves(point.raw)).items() if dict(_leaves(other.raw)).get(key) != text
        ]
        reason = (
            f"they differ only in {', '.join(apart)}, which changes nothing there"
            if apart
            else "its values are listed twice"
        )
        yield Problem(f"point {point.index}", f"is the same work as point {other.index} ({other.name}): {reason}")
    if len(found) > SHOWN:
        yield Problem("", f"and {len(found) - SHOWN} more points that repeat others")


def typed_points(config: type[Config], raws: Sequence[Mapping[str, Any]], where: str = "") -> list[Any]:
    """Every point as a config.

    Raises:
        ConfigError: with the problems of all points; equal ones are told once, with the first point and a count.
    """
    configs: list[Config] = []
    found: dict[Problem, list[int]] = {}
    parse = _Parser(config) if stands_by_fields(config) else config.parse
    for index, raw in enumerate(raws):
        try:
            typed = parse(raw)
            _ = typed.canonical_text  # what has no identity cannot be planned
            configs.append(typed)
        except ConfigError as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(index)
    if found:
        problems = [Problem(problem.key, f"{problem.message} ({_where(at)})") for problem, at in found.items()]
        raise ConfigError(problems, where)
    return configs


class _Parser:
    """Parses points that share their values: a value is typed in the first point that holds it, and then known.

    It is known by its object, which lives as long as the points do. Two values contradict each other anew in
    each point.
    """

    def __init__(self, config: type[Config]) -> None:
        self._config = config
        self._typed: dict[tuple[str, int], Any] = {}
        self._alike: dict[tuple[str, ...], Config] = {}

    def __call__(self, raw: Mapping[str, Any]) -> Config:
        """The config of a point; raises as `Config.parse`."""
        keys = tuple(raw)
        try:
            values = {key: self._typed[key, id(value)] for key, value in raw.items()}
            config = self._alike[keys].model_copy(update=values)
        except KeyError:
            config = self._alike[keys] = self._config.typed(raw)
            self._typed |= {(key, id(value)): getattr(config, key) for key, value in raw.items()}
        if config.contradictions:
            raise ConfigError(config.contradictions)
        return config


def _where(indices: list[int]) -> str:
    others = f" and {len(indices) - 1} more" if len(indices) > 1 else ""
    return f"point {indices[0]}{others}"


def point_at(points: Sequence[Point], index: int) -> Point:
    """The point with an index.

    Raises:
        GridError: the index is out of range.
    """
    if not 0 <= index < len(points):
        message = f"is {index}; allowed: 0 to {len(points) - 1} ({len(points)} points)"
        raise GridError([Problem("index", message)])
    return points[index]


def required(requires: Callable[[str, Config], Iterable[Work]], wanted: Iterable[Work]) -> list[Work]:
    """Everything that pieces of work require, directly or through what is required itself, in the order of depth.

    First comes what requires nothing, then what requires that alone, and so on; otherwise in the order in which it
    is wanted. So no worker waits for what it makes a thing of, while others could be begun.

    Args:
        requires: `Manager.requires`.
        wanted: The pieces of work; not part of the answer.

    Raises:
        GridError: something requires itself.
    """
    found: dict[str, Work] = {}
    depths: dict[str, int] = {}
    path: list[str] = []

    def visit(work: Work) -> int:
        """The depth of a piece of work: 0, or one more than that of the deepest that it requires."""
        depth = 0
        for need in requires(work.kind, work.config):
            name = need.identity
            if name in path:
                circle = " → ".join([*path[path.index(name) :], name])
                raise GridError([Problem(name, f"requires itself: {circle}")])
            if name not in depths:
                path.append(name)
                depths[name] = visit(need)
                path.pop()
                found[name] = need
            depth = max(depth, 1 + depths[name])
        return depth

    for work in wanted:
        visit(work)
    return sorted(found.values(), key=lambda work: depths[work.identity])


class Difference(NamedTuple):
    """How a plan differs from what there was: identities that are new, unchanged, gone."""

    new: frozenset[str]
    unchanged: frozenset[str]
    gone: frozenset[str]

    @property
    def is_none(self) -> bool:
        """Whether both are equal."""
        return not self.new and not self.gone

    def __str__(self) -> str:
        return f"{len(self.new)} new, {len(self.unchanged)} unchanged, {len(self.gone)} gone"


def difference(before: Iterable[str], after: Iterable[str]) -> Difference:
    """The difference of two sets of identities."""
    old, new = frozenset(before), frozenset(after)
    return Difference(new - old, new & old, old - new)


# --- names ---------------------------------------------------------------------------------------------------


def names_of(raws: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each point made from the values that differ, with keys as short as is unambiguous."""
    shared: dict[tuple[str, int], dict[str, str]] = {}  # by key and object: points have most values in common
    flat = []
    for raw in raws:
        leaves: dict[str, str] = {}
        for key, value in raw.items():
            place = key, id(value)
            if place not in shared:
                shared[place] = dict(_leaves({key: value}))
            leaves |= shared[place]
        flat.append(leaves)
    values: dict[str, set[str]] = {}
    for leaves in shared.values():
        for key, text in leaves.items():
            values.setdefault(key, set()).add(text)
    present = Counter(itertools.chain.from_iterable(flat))
    differing = [key for key, texts in values.items() if len(texts) > 1 or present[key] < len(flat)]
    short = _short_keys(differing)
    return [
        _printable(",".join(f"{short[key]}={leaves[key]}" for key in differing if key in leaves)) or "only"
        for leaves in flat
    ]


def name_of(config: Config) -> str:
    """A name for a config by itself: the values that differ from the defaults of its class."""
    given = dict(_leaves(config.model_dump()))
    differing = differing_of(config)
    short = _short_keys(differing)
    return _printable(",".join(f"{short[key]}={given[key]}" for key in differing)) or "defaults"


def differing_of(config: Config) -> list[str]:
    """The dotted names of the values that differ from the defaults of their class."""
    given = dict(_leaves(config.model_dump()))
    defaults = {
        name: info.get_default(call_default_factory=True, validated_data={})
        for name, info in type(config).model_fields.items()
        if not info.is_required()
    }
    usual = dict(_leaves(type(config).model_construct(**defaults).model_dump()))
    return [key for key, text in given.items() if usual.get(key) != text]


def _printable(name: str) -> str:
    """A name that every terminal, page and server can take: nothing in it controls one."""
    return name if name.isprintable() else "".join(c if c.isprintable() else REPLACED for c in name)


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """The values by dotted key, as text."""
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) and not LIKE_JSON.fullmatch(value) else canonical_json(value)
            yield prefix + key, text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Each key by its last parts, as few as tell it from the others; `mapping.kind` reads as `mapping`."""
    plain = {key: key.removesuffix(".kind") for key in keys}
    short: dict[str, str] = {}
    for key, whole in plain.items():
        parts = whole.split(".")
        tails = [".".join(parts[-depth:]) for depth in range(1, len(parts) + 1)]
        others = [other for name, other in plain.items() if name != key]
        short[key] = next(
            tail for tail in tails if tail == whole or not any(f".{o}".endswith(f".{tail}") for o in others)
        )
    return short
