"""The stitching experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.stitching.config import StitchingConfig
from experiments.stitching.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager, Requirement
from framework.training.config import TrainingConfig

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run

WARM = (
    "experiments.stitching.study",
    "framework.training.train",
    "sklearn.datasets",
    "torchvision.datasets",
)


class StitchingManager(Manager[StitchingConfig]):
    """Trains the two models that a point names, where they do not exist, and stitches them."""

    config = StitchingConfig
    grids = GRIDS

    def requires(self, config: StitchingConfig) -> Iterable[Requirement]:
        """The two trained models; one, where a model is stitched to itself."""
        models = {model.config_id: model for model in (config.source, config.target)}
        return [Requirement("model", model) for model in models.values()]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a model.

        Raises:
            ArtifactError: something else than a model is asked for.
        """
        if kind != "model" or not isinstance(config, TrainingConfig):
            raise ArtifactError(f"stitching makes models from a TrainingConfig, not {kind!r} from {config!r}")
        from framework.training.train import train_autoencoder

        train_autoencoder(config, run)

    def warm(self) -> None:
        """Import what training and stitching need; nothing is computed, so that no thread exists at the fork."""
        for module in WARM:
            importlib.import_module(module)

    def run(self, config: StitchingConfig, run: "Run") -> None:
        """Fit, score and log every cell of one point."""
        from experiments.stitching.study import stitching_study

        stitching_study(config, run)

    def report(self, results: "Results") -> "Report":
        """The stitched error by mapping, number of samples and ridge, beside the parents' own."""
        from experiments.stitching.report import report

        return report(results.tables)
