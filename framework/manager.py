"""Managers: what an experiment is.

A new experiment is a folder with a config, its grids and a Manager, and one line in `EXPERIMENTS`. This module
imports neither torch nor wandb; modules that hold a Manager should not either.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from framework.config import Config, canonical, canonical_json
from framework.errors import ArtifactError
from framework.grid import Grid
from framework.plan import Work

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run

C = TypeVar("C", bound=Config)


class Manager(Generic[C]):
    """One experiment. Subclasses name their config type and say what a run does.

    Modules that hold a Manager stay light: heavy imports stand inside `run`, and their names in `heavy`.
    """

    config: ClassVar[type[Config]]
    grids: ClassVar[Mapping[str, Grid]] = {}
    heavy: ClassVar[tuple[str, ...]] = ()
    ranks: ClassVar[frozenset[str]] = frozenset()
    """The kinds of work that several processes can share, each on a GPU of its own: {"run"}, or none.

    Each of them calls `run` then, with equal configs. `train_model`, `fine_tune` and `distil` make one training of
    it. The first one's run logs; that of the others says nothing (`framework.tracking.stand_in`).
    """

    together: ClassVar[frozenset[str]] = frozenset()
    """Dotted names of the fields in which points may differ and still be worked at once, by `run_together`."""

    def check(self, config: C) -> None:
        """Refuse a config for what it names in the world: files that are missing or do not fit.

        Called before anything starts, also for a config that contradicts itself. Default: nothing is looked at.

        Raises:
            InvalidInput: with every problem found.
        """

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """What a piece of work asks for, so that it can be made first: `kind` is `run`, or that of an artifact.

        Default: nothing.
        """
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

    def may_be_together(self, config: C) -> bool:
        """Whether a point can be worked with others at all. Default: where `together` names fields."""
        return bool(self.together)

    def shape_of(self, config: C) -> str | None:
        """What points that are worked at once have in common, as text; None for one that is worked alone."""
        if not self.together or not self.may_be_together(config):
            return None
        data = canonical(config)
        for name in self.together:
            *sections, last = name.split(".")
            section = data
            for part in sections:
                section = section.get(part) or {}
            section.pop(last, None)
        return canonical_json(data)

    def run_together(self, configs: Sequence[C], runs: "Sequence[Run]") -> "Sequence[Exception | None]":
        """Do the work of several points of one shape at once and log each in its run; how those failed that did.

        What is raised instead, all of them have failed of.
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines no `run_together`, though `together` names fields"
        )

    def report(self, results: "Results") -> "Report":
        """The table and figures that compare the runs of a sweep. Default: metrics by what was swept."""
        from framework.report import by_factors

        return by_factors(results)
