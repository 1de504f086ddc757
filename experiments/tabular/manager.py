"""The experiment: what is checked, done and reported. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.tabular.config import TabularConfig
from experiments.tabular.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager
from framework.plan import Work
from framework.training.starts import before

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class TabularManager(Manager[TabularConfig]):
    """Fits one model on one table."""

    config = TabularConfig
    grids = GRIDS
    heavy = ("framework.tabular.fitting", "sklearn.datasets")

    def check(self, config: TabularConfig) -> None:
        """Refuse a table that is not there or cannot be used, with everything that is wrong with it."""
        if not config.data.is_known:
            from framework.data.tabular.loading import check_table

            check_table(config.data)

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run, or of its network: the network that it goes on from or begins with, if there is one."""
        other = before(config) if isinstance(config, TabularConfig) else None
        return [] if other is None else [Work("model", other)]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a network that another run begins with: all that a run of its config does.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind != "model" or not isinstance(config, TabularConfig):
            raise ArtifactError(f"a model is made from a TabularConfig, not {kind!r} from {config!r}")
        self.run(config, run)

    def run(self, config: TabularConfig, run: "Run") -> None:
        """Fit, score and log one point."""
        from framework.data.tabular.loading import load_table
        from framework.tabular.beginning import beginning_of
        from framework.tabular.fitting import fit_model, log_results

        data = load_table(config.data, config.seed)
        begins = beginning_of(config, data, run)
        predict, chosen = fit_model(config.model, data, config.seed, run, config.device, begins)
        log_results(config, data, predict, chosen, run)

    def report(self, results: "Results") -> "Report":
        """Every model on every table, beside the one that looks at no feature."""
        from framework.tabular.report import report

        return report(results)
