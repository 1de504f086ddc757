"""How fine-tuned models differ, as data, and the config of each of them. Knows no tensor."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from framework.config import Config, Seed, no_effect, replicate
from framework.training.config import TrainingConfig
from framework.training.optimizers import SGD, Optimisation, OptimizerConfig
from framework.training.refine_config import Augment, RefineConfig

Share = Annotated[float, Field(ge=0, le=1)]
Classes = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

NOISE = "Share of the train split's images that get another class, drawn with the model's seed, in [0, 1]"
AUGMENT = "What is done to the images of the train split before a model sees them: none, or flip_crop"


class FineTuning(Optimisation):
    """What all fine-tuned models of a run have in common."""

    EPOCHS: ClassVar[str] = "epochs"

    epochs: int = Field(3, ge=1, description="Number of passes over the train split, in epochs.")
    learning_rate: float = Field(
        0.01, gt=0, description="Step size of the optimiser, without unit; the schedule goes on from it."
    )
    optimizer: OptimizerConfig = Field(SGD(), description="What makes steps of gradients.")


class FineTuned(FineTuning):
    """One fine-tuned model. Its artifact has the kind `fine_tuned`."""

    base: TrainingConfig = Field(TrainingConfig(), description="The checkpoint that it is fine-tuned from.")
    seed: Seed = replicate(0, description="Seed of the order of the batches, of augment and of label_noise.")
    label_noise: Share = Field(0.0, description=f"{NOISE}; the val split keeps its labels.")
    augment: Augment = Field("none", description=f"{AUGMENT}.")
    classes: Classes | None = Field(
        None,
        description="Train on images of these classes only, by label; the val images that choose the best epoch "
        "are of these classes too. null takes every class.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    @property
    def refine(self) -> RefineConfig:
        """How it is trained."""
        shared = {name: getattr(self, name) for name in FineTuning.model_fields}
        return RefineConfig(**shared, seed=self.seed, device=self.device)


class Seeds(Config):
    """Models that differ in the order of their data alone."""

    kind: Literal["seeds"] = Field("seeds", description="Selects models that differ in their seed alone.")

    def changes(self, number: int) -> dict[str, Any]:
        """What the model with this number, counted from 0, has beside its own seed."""
        return {}


class LabelNoise(Config):
    """Models that have seen more or fewer wrong labels."""

    kind: Literal["label_noise"] = Field("label_noise", description="Selects models with wrong labels.")
    shares: tuple[Share, ...] = Field(
        (0.0, 0.2, 0.4, 0.6), min_length=1, description=f"{NOISE}, of each model; after the last the first again."
    )

    def changes(self, number: int) -> dict[str, Any]:
        """As `Seeds.changes`."""
        return {"label_noise": self.shares[number % len(self.shares)]}


class Augmentation(Config):
    """Models whose images were moved and mirrored, or not."""

    kind: Literal["augmentation"] = Field("augmentation", description="Selects models with other augmentation.")
    augment: tuple[Augment, ...] = Field(
        ("none", "flip_crop"),
        min_length=1,
        description=f"{AUGMENT}, of each model; after the last the first again.",
    )

    def changes(self, number: int) -> dict[str, Any]:
        """As `Seeds.changes`."""
        return {"augment": self.augment[number % len(self.augment)]}


class Tasks(Config):
    """Models that have been fine-tuned on some of the classes; the label space stays whole."""

    kind: Literal["tasks"] = Field("tasks", description="Selects models that were fine-tuned on other classes.")
    classes: tuple[Classes, ...] = Field(
        ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)),
        min_length=1,
        description="Classes of each model, by label; after the last the first again.",
    )

    def changes(self, number: int) -> dict[str, Any]:
        """As `Seeds.changes`."""
        return {"classes": self.classes[number % len(self.classes)]}


ScenarioConfig = Annotated[Seeds | LabelNoise | Augmentation | Tasks, Field(discriminator="kind")]
