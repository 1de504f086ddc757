"""The experiment: what a run needs, makes and does. Heavy imports stand inside the methods."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.communication.config import Classifiers, CommunicationConfig, Encoders
from experiments.communication.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError, ConfigError
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.problems import within
from framework.ssl.probed.config import ProbeConfig
from framework.ssl.training.config import FreshEncoder, required_by
from framework.training.config import TrainingConfig
from framework.training.requirements import required_models

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run


class CommunicationManager(Manager[CommunicationConfig]):
    """Trains the two networks of a point, where they do not exist, maps one to the other, and fuses them."""

    config = CommunicationConfig
    grids = GRIDS
    heavy = (
        "experiments.communication.study",
        "framework.training.train",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def check(self, config: CommunicationConfig) -> None:
        """Refuse layers that the classifiers do not have.

        Raises:
            ConfigError: with each of them, and the layers that there are.
        """
        subject = config.subject
        if isinstance(subject, Classifiers) and subject.layers is not None and not config.contradictions:
            from experiments.communication.layers import layer_problems

            problems = layer_problems(subject.first.model, subject.data, subject.layers)
            if problems:
                raise ConfigError([*within("subject", problems)])

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: both classifiers, or both encoders with their probes. Of these: what they are made of.

        The kinds are those of other experiments: what one of them has made is not made again.
        """
        if kind == "probe" and isinstance(config, ProbeConfig):
            return [Work("encoder", config.encoder)]
        if kind == "encoder" and isinstance(config, FreshEncoder):
            before = required_by(config)
            return [] if before is None else [Work("encoder", before)]
        if kind != RUN or not isinstance(config, CommunicationConfig):
            return required_models(kind, config)
        subject = config.subject
        if isinstance(subject, Encoders):
            sides = (subject.first, subject.second)
            return [*(Work("encoder", side.encoder) for side in sides), *(Work("probe", side) for side in sides)]
        return [Work("model", subject.first), Work("model", subject.second)]

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Train a classifier, pretrain an encoder, or fit a probe to one.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind == "model" and isinstance(config, TrainingConfig):
            from framework.training.train import train_model

            train_model(config, run)
        elif kind == "encoder" and isinstance(config, FreshEncoder):
            from framework.ssl.training.pretraining import pretrain

            pretrain(config, run)
        elif kind == "probe" and isinstance(config, ProbeConfig):
            from framework.ssl.probed.artifact import make_probe

            make_probe(config, run)
        else:
            raise ArtifactError(f"communication makes models, encoders and probes, not {kind!r} from {config!r}")

    def run(self, config: CommunicationConfig, run: "Run") -> None:
        """Map, fuse or read, and log one pair."""
        from experiments.communication.study import communication_study

        communication_study(config, run)

    def report(self, results: "Results") -> "Report":
        """Whether mapping error goes with fusion, within and across settings; and what probes read."""
        from experiments.communication.report import report

        return report(results)
