"""The experiment: what is checked, done and reported. Heavy imports stand inside the methods."""

from typing import TYPE_CHECKING

from experiments.tabular.config import TabularConfig
from experiments.tabular.grids import GRIDS
from framework.manager import Manager

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

    def run(self, config: TabularConfig, run: "Run") -> None:
        """Fit, score and log one point."""
        from framework.data.tabular.loading import load_table
        from framework.tabular.fitting import fit_model, log_results

        data = load_table(config.data, config.seed)
        predict, chosen = fit_model(config.model, data, config.seed, run, config.device)
        log_results(config, data, predict, chosen, run)

    def report(self, results: "Results") -> "Report":
        """Every model on every table, beside the one that looks at no feature."""
        from framework.tabular.report import report

        return report(results)
