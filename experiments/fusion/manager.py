"""The fusion experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.fusion.config import FusionConfig
from experiments.fusion.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError, InvalidInput, Problem
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.training.config import TrainingConfig
from framework.training.requirements import required_models

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class FusionManager(Manager[FusionConfig]):
    """Trains the parents that a point names, where they do not exist, and fuses them."""

    config = FusionConfig
    grids = GRIDS
    heavy = (
        "experiments.fusion.study",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def check(self, config: FusionConfig) -> None:
        """Look at the files of parents.

        Raises:
            InvalidInput: files that are missing, hold no weights, or do not fit the architecture; all of them.
        """
        names = tuple(dict.fromkeys(config.parents or ()))
        problems = [Problem("parents", f"{name} does not exist") for name in names if not Path(name).is_file()]
        if len(problems) < len(names) and not config.contradictions:
            from experiments.fusion.parents import misfits

            problems += misfits(config)
        if problems:
            raise InvalidInput(problems)

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: the trained parents, each once; none where files hold them. Of those: what they begin with."""
        if kind != RUN or not isinstance(config, FusionConfig):
            return required_models(kind, config)
        if config.parents is not None:
            return []
        return [Work("model", parent) for parent in {p.config_id: p for p in config.trained}.values()]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a parent.

        Raises:
            ArtifactError: something else than a model is asked for.
        """
        if kind != "model" or not isinstance(config, TrainingConfig):
            raise ArtifactError(f"fusion makes models from a TrainingConfig, not {kind!r} from {config!r}")
        from framework.training.train import train_model

        train_model(config, run)

    def run(self, config: FusionConfig, run: "Run") -> None:
        """Fuse, score and log one point."""
        from experiments.fusion.study import fusion_study

        fusion_study(config, run)

    def report(self, results: "Results") -> "Report":
        """Accuracy and loss by family, beside the parents' and the ensemble's; metrics, correlations, bounds."""
        from experiments.fusion.report import report

        return report(results)
