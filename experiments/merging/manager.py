"""The merging experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.merging.config import MergingConfig
from experiments.merging.grids import GRIDS
from experiments.merging.scenarios import FineTuned
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


class MergingManager(Manager[MergingConfig]):
    """Trains the checkpoint of a point and fine-tunes models from it, where they do not exist, and merges them."""

    config = MergingConfig
    grids = GRIDS
    heavy = (
        "experiments.merging.study",
        "experiments.merging.fine_tuning",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: the checkpoint and the fine-tuned models, each once. Of a fine-tuned model: its checkpoint.

        Of a checkpoint: what it begins with.
        """
        if kind == "fine_tuned" and isinstance(config, FineTuned):
            return [Work("model", config.base)]
        if kind != RUN or not isinstance(config, MergingConfig):
            return required_models(kind, config)
        models = {one.config_id: one for one in config.fine_tuned}
        return [Work("model", config.base), *(Work("fine_tuned", one) for one in models.values())]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a checkpoint, or fine-tune a model.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind == "model" and isinstance(config, TrainingConfig):
            from framework.training.train import train_model

            train_model(config, run)
        elif kind == "fine_tuned" and isinstance(config, FineTuned):
            from experiments.merging.fine_tuning import make_fine_tuned

            make_fine_tuned(config, run)
        else:
            raise ArtifactError(f"merging makes models and fine-tuned models, not {kind!r} from {config!r}")

    def run(self, config: MergingConfig, run: "Run") -> None:
        """Merge, score and log one point."""
        from experiments.merging.study import merging_study

        merging_study(config, run)

    def report(self, results: "Results") -> "Report":
        """Accuracy and loss by recipe, beside the fine-tuned models' and the ensemble's."""
        from experiments.merging.report import report

        return report(results)
