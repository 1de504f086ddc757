"""The experiment of self-supervised learning: what a run needs, makes and does. Heavy imports stand inside."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from experiments.ssl.config import SSLConfig
from experiments.ssl.grids import GRIDS
from framework.config import Config
from framework.errors import ArtifactError, ConfigError, InvalidInput
from framework.manager import Manager
from framework.plan import RUN, Work
from framework.problems import within
from framework.ssl.training.config import FreshEncoder, required_by

if TYPE_CHECKING:
    from framework.report import Report
    from framework.tracking.results import Results
    from framework.tracking.run import Run

LIBRARIES = ("torchvision", "timm")
"""Kinds of backbones with names that a library knows."""


class SSLManager(Manager[SSLConfig]):
    """Trains the encoder of a point where it does not exist, and evaluates it."""

    config = SSLConfig
    grids = GRIDS
    ranks = frozenset({"encoder"})
    heavy = (
        "experiments.ssl.study",
        "framework.ssl.training.pretraining",
        "sklearn.datasets",
        "torchvision.datasets",
    )

    def check(self, config: SSLConfig) -> None:
        """Refuse a backbone that its library has not, or whose library is not installed.

        Raises:
            InvalidInput: with every problem found.
        """
        if config.encoder.backbone.kind not in LIBRARIES:
            return
        from framework.ssl.backbones import refuse_unknown

        try:
            refuse_unknown(config.encoder.backbone)
        except InvalidInput as error:
            raise ConfigError([*within("encoder", error.problems)]) from None

    def requires(self, kind: str, config: Config) -> Iterable[Work]:
        """Of a run: its encoder. Of an encoder: the one that it begins with, if there is one."""
        if kind == RUN and isinstance(config, SSLConfig):
            return [Work("encoder", config.encoder)]
        if kind == "encoder" and isinstance(config, FreshEncoder):
            before = required_by(config)
            return [] if before is None else [Work("encoder", before)]
        return []

    def make(self, kind: str, config: Config, run: "Run") -> None:
        """Pretrain an encoder.

        Raises:
            ArtifactError: something else is asked for.
        """
        if kind != "encoder" or not isinstance(config, FreshEncoder):
            raise ArtifactError(f"ssl makes encoders from an EncoderConfig, not {kind!r} from {config!r}")
        from framework.ssl.training.pretraining import pretrain

        pretrain(config, run)

    def run(self, config: SSLConfig, run: "Run") -> None:
        """Evaluate and log one point."""
        from experiments.ssl.study import ssl_study

        ssl_study(config, run)

    def report(self, results: "Results") -> "Report":
        """Accuracy by what was swept beside the baselines, and how diagnostics go with it."""
        from experiments.ssl.report import report

        return report(results)
