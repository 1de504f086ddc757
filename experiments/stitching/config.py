"""One stitching run: a source, a target, a mapping, and the axes inside the run. This module knows no tensor."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from framework.config import Config, no_effect, replicate
from framework.training.config import TrainingConfig

Ridges = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]

RIDGES = "Weights λ of ||A||_F² beside the sum of squared errors over the samples; each is fitted."


class Linear(Config):
    """z → A z, by ridge regression."""

    kind: Literal["linear"] = Field("linear", description="Selects the linear mapping.")
    ridges: Ridges = Field((0.0, 0.001, 0.01, 0.1), description=RIDGES)


class Affine(Config):
    """z → A z + b, by ridge regression with a free bias."""

    kind: Literal["affine"] = Field("affine", description="Selects the affine mapping.")
    ridges: Ridges = Field((0.0, 0.001, 0.01, 0.1), description=RIDGES)


class StitchingConfig(Config):
    """An ordered pair of models and a mapping between their latent spaces.

    `num_samples` and `mapping.ridges` are axes inside the run: all their combinations are fitted, scored and
    logged as rows of one table. Source and target may be the same model: the identity, as a check.
    """

    source: TrainingConfig = Field(TrainingConfig(), description="The model whose encoder is used.")
    target: TrainingConfig = Field(TrainingConfig(seed=1), description="The model whose decoder is used.")
    mapping: Annotated[Linear | Affine, Field(discriminator="kind")] = Field(
        Affine(), description="The map from the source's latent space into the target's."
    )
    num_samples: Counts = Field(
        (10, 50, 100, 200, 300, 500),
        description="Numbers of anchors, in images of the train split that both models encode; each is fitted.",
    )
    sampling: Literal["equally", "random"] = Field(
        "equally",
        description="How anchors are picked: equally takes as many of each class, random ignores the class.",
    )
    sampling_seed: int = replicate(0, description="Seed of the anchors' draw.")
    split: Literal["val", "test"] = Field("test", description="Split that the stitched model is scored on, whole.")
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to decode; auto takes a GPU where there is one."
    )

    @model_validator(mode="after")
    def _both_see_the_same_images(self) -> Self:
        source, target = self.source.data, self.target.data
        if source != target and source.config_id != target.config_id:
            raise ValueError(
                f"source.data ({self.source.data}) and target.data ({self.target.data}) differ: anchors must be "
                "images that both models take, from one train split"
            )
        return self

    @model_validator(mode="after")
    def _axes_hold_each_value_once(self) -> Self:
        for name, values in (("num_samples", self.num_samples), ("mapping.ridges", self.mapping.ridges)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names a value twice: {values}")
        return self
