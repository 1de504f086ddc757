"""The experiment of several tasks: what a run does. Heavy imports stand inside."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from experiments.multitask.config import MultitaskConfig
from experiments.multitask.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager
from framework.multitask.config import APART, may_be_together
from framework.plan import Work
from framework.training.starts import before

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class MultitaskManager(Manager[MultitaskConfig]):
    """Trains the networks of a point, or of several of one shape at once, and scores them."""

    config = MultitaskConfig
    grids = GRIDS
    heavy = ("experiments.multitask.study", "torchjd.aggregation", "torchjd.scalarization")
    together = APART

    def check(self, config: MultitaskConfig) -> None:
        """Refuse a solver that is not installed, and custom batches that leave out a sample.

        Raises:
            InvalidInput: with every problem found.
        """
        from framework.multitask.training.solvers import check_solver

        check_solver(config.training.balancing)
        if config.training.batching.kind == "custom":
            from framework.multitask.training.batching import check_batches

            check_batches(config)

    def may_be_together(self, config: MultitaskConfig) -> bool:
        """Whether a point can be trained among others: not one that begins with another's weights."""
        return may_be_together(config) and before(config) is None

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run, or of its networks: those that it goes on from or begins with, if there are any."""
        other = before(config) if isinstance(config, MultitaskConfig) else None
        return [] if other is None else [Work("networks", other)]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train networks that another run begins with: all that a run of their config does.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind != "networks" or not isinstance(config, MultitaskConfig):
            raise ArtifactError(f"networks are made from a MultitaskConfig, not {kind!r} from {config!r}")
        self.run(config, run)

    def run(self, config: MultitaskConfig, run: "Run") -> None:
        """Train, score and log one point."""
        from experiments.multitask.study import multitask_study

        multitask_study(config, run)

    def run_together(
        self, configs: Sequence[MultitaskConfig], runs: "Sequence[Run]"
    ) -> Sequence[Exception | None]:
        """Train several points at once."""
        from experiments.multitask.study import study_together

        return study_together(configs, runs)

    def report(self, results: "Results") -> "Report":
        """What was learnt inside and outside, and whether it helps to learn another task."""
        from experiments.multitask.report import report

        return report(results)
