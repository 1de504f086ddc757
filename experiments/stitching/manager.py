"""The stitching experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.stitching.config import LatentsConfig, StitchingConfig
from experiments.stitching.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.training.config import TrainingConfig

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class StitchingManager(Manager[StitchingConfig]):
    """Trains the two models that a point names, where they do not exist, and stitches them."""

    config = StitchingConfig
    grids = GRIDS
    heavy = (
        "experiments.stitching.study",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: the two models (one, if it is stitched to itself), and their latents at hidden layers."""
        if kind == "latents" and isinstance(config, LatentsConfig):
            return [Work("model", config.model)]
        if kind != RUN or not isinstance(config, StitchingConfig):
            return []
        models = {model.config_id: model for model in (config.source, config.target)}
        sides = ((config.source, config.source_layer), (config.target, config.target_layer))
        latents = {
            wanted.config_id: wanted
            for wanted in (LatentsConfig(model=model, layer=layer) for model, layer in sides if layer is not None)
        }
        return [
            *(Work("model", model) for model in models.values()),
            *(Work("latents", wanted) for wanted in latents.values()),
        ]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a model, or encode the images at a hidden layer of one.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind == "model" and isinstance(config, TrainingConfig):
            from framework.training.train import train_model

            train_model(config, run)
        elif kind == "latents" and isinstance(config, LatentsConfig):
            from experiments.stitching.parents import make_latents

            make_latents(config, run)
        else:
            raise ArtifactError(f"stitching makes models and latents, not {kind!r} from {config!r}")

    def run(self, config: StitchingConfig, run: "Run") -> None:
        """Fit, score and log every cell of one point."""
        from experiments.stitching.study import stitching_study

        stitching_study(config, run)

    def report(self, results: "Results") -> "Report":
        """The stitched error by mapping, number of samples and ridge, beside the parents' own."""
        from experiments.stitching.report import report

        return report(results.tables)
