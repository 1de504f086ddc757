"""One alignment run: a model that is trained, a reference that is finished, and a mapping between them."""

from typing import Self

from pydantic import Field, model_validator

from framework.config import Config, replicate
from framework.fusion.config import AlignmentConfig as FusionMethod
from framework.mappings.config import Affine, MappingConfig
from framework.training.config import TrainingConfig


class AlignmentConfig(Config):
    """A model is trained; every few epochs a mapping from its latents into the reference's is fitted."""

    model: TrainingConfig = Field(TrainingConfig(seed=1), description="The model that is trained in this run.")
    reference: TrainingConfig = Field(
        TrainingConfig(), description="The finished model whose decoder reads the mapped latents."
    )
    mapping: MappingConfig = Field(Affine(ridges=(0.001,)), description="The mapping, with one ridge.")
    num_samples: int = Field(
        200, ge=1, description="Anchors, in images of the train split, as many of each class."
    )
    sampling_seed: int = replicate(0, description="Seed of the anchors' draw.")
    fusion: FusionMethod | None = Field(
        None,
        description="How the model is fused with the reference at each fit too; null fuses nothing. Both must be "
        "classifiers of one architecture.",
    )
    every_epochs: int = Field(1, ge=1, description="Epochs between two fits; the last epoch is always fitted.")

    @model_validator(mode="after")
    def _both_see_the_same_images(self) -> Self:
        model, reference = self.model.data, self.reference.data
        if model.config_id != reference.config_id:
            raise ValueError(
                f"model.data ({model}) and reference.data ({reference}) differ: anchors are images of both"
            )
        return self

    @model_validator(mode="after")
    def _fused_are_of_one_kind(self) -> Self:
        model, reference = self.model.model.kind, self.reference.model.kind
        if self.fusion is not None and model != reference:
            raise ValueError(f"fusion fuses one architecture; model is {model}, reference {reference}")
        return self

    @model_validator(mode="after")
    def _one_ridge(self) -> Self:
        if len(self.mapping.ridge_values) != 1:
            raise ValueError(
                f"mapping.ridges is {self.mapping.ridge_values}: one value, because one mapping is followed"
            )
        return self
