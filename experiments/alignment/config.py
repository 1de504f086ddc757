"""One alignment run: a model that is trained, a reference that is finished, and a mapping between them."""

from collections.abc import Iterator

from pydantic import Field

from framework.config import Config, Seed, replicate
from framework.data.facts import facts_of, train_images
from framework.errors import Problem
from framework.fusion.config import EQUAL_WIDTHS, inputs_needed
from framework.fusion.config import AlignmentConfig as FusionMethod
from framework.mappings.config import Affine, MappingConfig, size_problem
from framework.models.facts import differences, is_classifier, latent_dim
from framework.problems import differing
from framework.training.config import TrainingConfig

FUSION_INPUTS = 1000  # images of the train split that fusion may look at


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
    sampling_seed: Seed = replicate(0, description="Seed of the anchors' draw.")
    fusion: FusionMethod | None = Field(
        None,
        description="How the model is fused with the reference at each fit too; null fuses nothing. Both must be "
        "classifiers of one architecture.",
    )
    every_epochs: int = Field(1, ge=1, description="Epochs between two fits; the last epoch is always fitted.")

    def conflicts(self) -> Iterator[Problem]:
        """What the mapping and the fusion cannot do with the two models."""
        yield from self._mapping_problems()
        yield from self._fusion_problems(self.fusion)

    def _mapping_problems(self) -> Iterator[Problem]:
        model, reference = self.model.data, self.reference.data
        if model.config_id != reference.config_id:
            message = f"and model.data differ in {differing(reference, model)}: anchors are images of both"
            yield Problem("reference.data", message)
        if len(self.mapping.ridge_values) != 1:
            message = f"is {list(self.mapping.ridge_values)}; allowed: one value, because one mapping is followed"
            yield Problem("mapping.ridges", message)
        sizes = [latent_dim(side.model, facts_of(model).shape) for side in (self.model, self.reference)]
        problem = size_problem(self.mapping.kind, *sizes)
        if problem is not None:
            yield Problem("mapping.kind", f"{problem} (model → reference); use linear or affine")
        images = train_images(model)
        if self.num_samples > images:
            message = f"is {self.num_samples}, and the train split of {model.name} has {images} images"
            yield Problem("num_samples", message)

    def _fusion_problems(self, method: FusionMethod | None) -> Iterator[Problem]:
        model, reference = self.model.model, self.reference.model
        if method is None:
            return
        if model.kind != reference.kind:
            message = f"fusion fuses one architecture; model is {model.kind}, reference {reference.kind}"
            yield Problem("", message)
            return
        if not is_classifier(reference):
            yield Problem("fusion", f"fuses classifiers, and reference.model.kind is {reference.kind}")
        widths, layers = differences(model, reference)
        if layers:
            message = f"fuses one architecture; model.model and reference.model differ in {', '.join(layers)}"
            yield Problem("fusion", message)
        elif widths and method.kind in EQUAL_WIDTHS:
            message = f"is {method.kind}, which needs equal widths, and {', '.join(widths)} differs; use ot"
            yield Problem("fusion.kind", message)
        needed, available = inputs_needed(method), min(FUSION_INPUTS, train_images(self.model.data))
        if needed > available:
            yield Problem("fusion.num_samples", f"is {needed}, and fusion sees {available} images here")
