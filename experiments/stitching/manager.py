"""The stitching experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.stitching.config import LatentsConfig, StitchingConfig
from experiments.stitching.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.ssl.probed.config import ProbeConfig
from framework.ssl.training.config import FreshEncoder, required_by
from framework.training.config import TrainingConfig
from framework.training.requirements import required_models

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run

STAGES = ("model", "latents", "encoder", "probe")
"""The kinds that a run requires, each after what it is made of."""


class StitchingManager(Manager[StitchingConfig]):
    """Trains the two models or encoders that a point names, where they do not exist, and stitches them."""

    config = StitchingConfig
    grids = GRIDS
    heavy = (
        "experiments.stitching.study",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: the two models (one, if it is stitched to itself), and their latents at hidden layers.

        Of a probe, and of a run of probes: the encoders, too. Of a model or encoder: the one that it begins with.
        """
        if kind == "latents" and isinstance(config, LatentsConfig):
            return [Work("model", config.model)]
        if kind == "probe" and isinstance(config, ProbeConfig):
            return [Work("encoder", config.encoder)]
        if kind == "encoder" and isinstance(config, FreshEncoder):
            before = required_by(config)
            return [] if before is None else [Work("encoder", before)]
        if kind != RUN or not isinstance(config, StitchingConfig):
            return required_models(kind, config)
        layers = {"source": config.source_layer, "target": config.target_layer}
        wanted: list[Work] = []
        for role, side in config.sides.items():
            layer = layers[role]
            if isinstance(side, ProbeConfig):
                wanted += [Work("encoder", side.encoder), Work("probe", side)]
            else:
                wanted.append(Work("model", side))
            if layer is not None and isinstance(side, TrainingConfig):
                wanted.append(Work("latents", LatentsConfig(model=side, layer=layer)))
        source = config.source_probe
        if config.control == "random_encoder" and source is not None:
            wanted.append(Work("probe", source.untrained))
        once = {(work.kind, work.config.config_id): work for work in wanted}
        return sorted(once.values(), key=lambda work: STAGES.index(work.kind))

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a model, encode the images at a hidden layer of one, pretrain an encoder, or fit a probe to one.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind == "model" and isinstance(config, TrainingConfig):
            from framework.training.train import train_model

            train_model(config, run)
        elif kind == "latents" and isinstance(config, LatentsConfig):
            from experiments.stitching.parents import make_latents

            make_latents(config, run)
        elif kind == "encoder" and isinstance(config, FreshEncoder):
            from framework.ssl.training.pretraining import pretrain

            pretrain(config, run)
        elif kind == "probe" and isinstance(config, ProbeConfig):
            from framework.ssl.probed.artifact import make_probe

            make_probe(config, run)
        else:
            message = f"stitching makes models, latents, encoders and probes, not {kind!r} from {config!r}"
            raise ArtifactError(message)

    def run(self, config: StitchingConfig, run: "Run") -> None:
        """Fit, score and log every cell of one point."""
        from experiments.stitching.study import stitching_study

        stitching_study(config, run)

    def report(self, results: "Results") -> "Report":
        """The stitched error by mapping, number of samples and ridge, beside the parents' own."""
        from experiments.stitching.report import report

        return report(results.tables)
