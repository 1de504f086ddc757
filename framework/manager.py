"""Managers: what an experiment is, and the plan of its points.

A new experiment is a folder with a config, its grids and a Manager, and one line in `EXPERIMENTS`. This
module imports neither torch nor wandb, so that planning ten thousand points takes less than a second.
"""

import functools
import importlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from framework.config import Config, canonical_json
from framework.definition import Definition, raw_config
from framework.errors import ArtifactError, GridError, Problem
from framework.grid import Grid, typed_points

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run

LONGEST_VALUE = 32

C = TypeVar("C", bound=Config)


class Requirement(NamedTuple):
    """An artifact that must exist before a run can do its work: its kind, and the config that makes it."""

    kind: str
    config: Config


class Manager(Generic[C]):
    """One experiment. Subclasses name their config type and say what a run does.

    Modules that hold a Manager stay light: heavy imports stand inside `run`, and their names in `heavy`.
    """

    config: ClassVar[type[Config]]
    grids: ClassVar[Mapping[str, Grid]] = {}
    heavy: ClassVar[tuple[str, ...]] = ()

    def requires(self, config: C) -> Iterable[Requirement]:
        """The artifacts that `run` will ask for, so that they can be made first. Default: none."""
        return ()

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Make a required artifact in a run of its own and log it with `run.log_artifact(kind, config, …)`.

        Raises:
            ArtifactError: this experiment does not know how to make the kind.
        """
        raise ArtifactError(f"{type(self).__name__} cannot make a {kind!r}; define `make` for it")

    def warm(self) -> None:
        """Import what `run` needs. Called once in a worker before it forks a child a run.

        Nothing may be computed here: a thread that exists at the fork is missing in the child.
        """
        for module in self.heavy:
            importlib.import_module(module)

    def run(self, config: C, run: "Run") -> None:
        """Do the work of one point and log it."""
        raise NotImplementedError(f"{type(self).__name__} defines no `run`")

    def report(self, results: "Results") -> "Report":
        """The table and figures that compare the runs of a sweep. Default: metrics by what was swept."""
        from framework.report import by_factors

        return by_factors(results)


@dataclass(frozen=True)
class Point:
    """One planned run: its place in the grid, its config, and a name made from what differs."""

    index: int
    name: str
    batch: str
    config: Config
    raw: Mapping[str, Any] = field(repr=False)

    @functools.cached_property
    def config_id(self) -> str:
        """The identity of the config."""
        return self.config.config_id

    @property
    def label(self) -> str:
        """`<batch>_config<index>`: the run's place in its batch."""
        return f"{self.batch}_config{self.index}"


def plan(config: type[Config], definition: Definition) -> list[Point]:
    """Every point of a sweep, validated and named, in the order in which it is handed out.

    Raises:
        DefinitionError: the definition is no grid.
        ConfigError: with the problems of all points together; no run may start then.
    """
    raws = [raw_config(point) for point in definition.points()]
    configs = typed_points(config, raws, definition.where)
    batch = str(definition.data.get("name") or definition.where or "sweep")
    names = names_of(raws)
    return [
        Point(index, name, batch, typed, raw)
        for index, (name, typed, raw) in enumerate(zip(names, configs, raws, strict=True))
    ]


def point_at(points: Sequence[Point], index: int) -> Point:
    """The point with an index.

    Raises:
        GridError: the index is out of range.
    """
    if not 0 <= index < len(points):
        message = f"is {index}; allowed: 0 to {len(points) - 1} ({len(points)} points)"
        raise GridError([Problem("index", message)])
    return points[index]


def names_of(raws: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each point made from the values that differ, with keys as short as is unambiguous."""
    flat = [dict(_leaves(raw)) for raw in raws]
    values: dict[str, set[str]] = {}
    for leaves in flat:
        for key, text in leaves.items():
            values.setdefault(key, set()).add(text)
    present = Counter(key for leaves in flat for key in leaves)
    differing = [key for key, texts in values.items() if len(texts) > 1 or present[key] < len(flat)]
    short = _short_keys(differing)
    return [
        ",".join(f"{short[key]}={leaves[key]}" for key in differing if key in leaves) or "only" for leaves in flat
    ]


def name_of(config: Config) -> str:
    """A name for a config by itself: the values that differ from the defaults of its class."""
    given = dict(_leaves(config.model_dump()))
    defaults = {
        name: info.get_default(call_default_factory=True, validated_data={})
        for name, info in type(config).model_fields.items()
        if not info.is_required()
    }
    usual = dict(_leaves(type(config).model_construct(**defaults).model_dump()))
    differing = [key for key, text in given.items() if usual.get(key) != text]
    short = _short_keys(differing)
    return ",".join(f"{short[key]}={given[key]}" for key in differing) or "defaults"


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else canonical_json(value)
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
