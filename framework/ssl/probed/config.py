"""What it takes to put a linear probe on an encoder. This module knows no tensor."""

from typing import Literal

from pydantic import Field

from framework.config import Config, no_effect
from framework.data.config import DataConfig
from framework.models.config import CIFARResNet
from framework.models.facts import latent_dim
from framework.ssl.parts import Dense, SmallResNet
from framework.ssl.training.config import EncoderConfig


class ProbeConfig(Config):
    """A linear probe on frozen features, fitted on train and chosen on val. Its artifact has the kind `probe`."""

    encoder: EncoderConfig = Field(
        EncoderConfig(),
        description="The encoder, which is trained where it is not there; its images are the probe's.",
    )
    weights: Literal["best", "last", "initial"] = Field(
        "best",
        description="Which of its weights: best (by the neighbours on val), last, or initial (before the first "
        "step).",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute features; auto takes a GPU where there is one."
    )

    @property
    def data(self) -> DataConfig:
        """The images of the encoder and of the probe."""
        return self.encoder.data

    @property
    def untrained(self) -> "ProbeConfig":
        """The same probe on the encoder as it was before its first step."""
        return self.model_copy(update={"weights": "initial"})

    @property
    def num_features(self) -> int | None:
        """The number of features; None where the library alone knows it that the backbone is of."""
        backbone = self.encoder.backbone
        if isinstance(backbone, Dense):
            return backbone.hidden[-1]
        if isinstance(backbone, SmallResNet):
            return latent_dim(CIFARResNet(depth=backbone.depth, width=backbone.width), self.encoder.shape)
        return None
