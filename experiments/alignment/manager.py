"""The alignment experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.alignment.config import AlignmentConfig
from experiments.alignment.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.training.config import TrainingConfig
from framework.training.requirements import required_models

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class AlignmentManager(Manager[AlignmentConfig]):
    """Trains the reference where it does not exist, and then a model while mapping it to the reference."""

    config = AlignmentConfig
    grids = GRIDS
    ranks = frozenset({RUN})
    heavy = (
        "experiments.alignment.study",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: the finished reference, and what its model begins with. Of a model: what that begins with."""
        if kind != RUN or not isinstance(config, AlignmentConfig):
            return required_models(kind, config)
        wanted = [Work("model", config.reference), *required_models("model", config.model)]
        return list({work.config.config_id: work for work in wanted}.values())

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a reference.

        Raises:
            ArtifactError: something else than a model is asked for.
        """
        if kind != "model" or not isinstance(config, TrainingConfig):
            raise ArtifactError(f"alignment makes models from a TrainingConfig, not {kind!r} from {config!r}")
        from framework.training.train import train_model

        train_model(config, run)

    def run(self, config: AlignmentConfig, run: "Run") -> None:
        """Train the model of one point while mapping it to its reference."""
        from experiments.alignment.study import alignment_study

        alignment_study(config, run)

    def report(self, results: "Results") -> "Report":
        """The error of the mapped latents over the epochs, by architecture of model and reference."""
        from experiments.alignment.report import report

        return report(results)
