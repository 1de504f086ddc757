"""What it takes to train one model. This module knows no tensor."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from framework.config import Seed, added, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import facts_of, split_problems
from framework.errors import Problem
from framework.models.config import PCKTAE, ModelConfig
from framework.models.facts import image_problems
from framework.problems import within
from framework.training.starts import (
    Extended,
    Fresh,
    Kept,
    OtherWeights,
    checkpoint_problems,
    checkpoints_kept,
    other_problems,
)


class FromOther(OtherWeights):
    """The weights of another model, and nothing else of its training."""

    OTHER: ClassVar[str] = "model"

    model: "TrainingConfig" = Field(
        default_factory=lambda: TrainingConfig(),  # noqa: PLW0108 (it stands below)
        description="The training that they are taken from; it may begin with another's, too, and so on.",
    )


class TrainingConfig(Extended):
    """One trained model: data, architecture, seed and optimisation. Its artifact has the kind `model`.

    With the defaults (PCKTAE with 8 latent dimensions, digits, 30 epochs) the test error is about 0.043 per
    pixel, reached in four to eight seconds on one core; an MLP autoencoder reaches 0.013.
    """

    data: DataConfig = Field(DataConfig(), description="The images that the model is trained on.")
    classes: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        min_length=1,
        description="Train on images of these classes only, by label, in ascending order; the val images that "
        "choose the best epoch are of these classes too. The evaluation of the trained model is over all images. "
        "null takes every class.",
    )
    model: ModelConfig = Field(PCKTAE(), description="The architecture.")
    seed: Seed = replicate(
        0, description="Seed of the initial weights, of the order of the batches, of dropout and of augment."
    )
    max_epochs: int = Field(30, ge=1, description="Number of passes over the train split, in epochs.")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Stop after these many epochs in a row without a smaller val error; null goes on to "
        "max_epochs. The schedule is laid out for max_epochs either way.",
    )
    augment: Literal["none", "flip_crop"] = Field(
        "none",
        description="What is done to the images of the train split before a model sees them: none, or flip_crop, "
        "which moves each by up to 4 pixels each way, with black where it leaves, and mirrors half of them.",
    )
    checkpoint_every: int | None = Field(
        None,
        ge=1,
        description="Keep the weights of each of these many epochs too, beside initial, best and last; null "
        "keeps none in between.",
    )
    checkpoints_kept: Kept = checkpoints_kept()
    start: Annotated[Fresh | FromOther, Field(discriminator="kind")] = added(
        Fresh(), description="The weights that training begins with."
    )
    trainer: dict[str, JsonValue] = Field(
        {},
        description="Further arguments of Lightning's Trainer by their own names and units, for instance "
        "gradient_clip_val or accumulate_grad_batches.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )
    num_workers: Annotated[int, Field(ge=0)] = no_effect(
        0,
        description="Processes that put batches together; 0 does it in the training process, which is "
        "fastest while the images fit into memory.",
    )
    reconstructions_every: Annotated[int, Field(ge=1)] | None = no_effect(
        10,
        description="Log an image of reconstructions after each of these many epochs and at the end; null "
        "logs none. Classifiers have none.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """What the data, the model and the Trainer cannot do."""
        yield from super().conflicts()
        yield from self._decoder_problems()
        data = facts_of(self.data)
        yield from within("data", split_problems(self.data))
        yield from within("model", image_problems(self.model, data.shape))
        if self.classes is not None and self.classes != tuple(sorted(set(self.classes))):
            message = f"is {list(self.classes)}; allowed: each class once, in ascending order"
            yield Problem("classes", message)
        absent = [label for label in self.classes or () if label >= data.classes]
        if absent:
            names, there = (", ".join(map(str, labels)) for labels in (absent, range(data.classes)))
            message = (
                f"names {names}, of which the train split of {self.data.name} has no image; there are: {there}"
            )
            yield Problem("classes", message)
        yield from self._start_problems()
        yield from owned_problems(self.trainer)

    def _start_problems(self) -> Iterator[Problem]:
        if not isinstance(self.start, FromOther):
            return
        other = self.start.model
        yield from other_problems(self.start, self, ("model",))
        yield from checkpoint_problems(self.start)
        mine, theirs = facts_of(self.data), facts_of(other.data)
        if mine.shape != theirs.shape:
            message = f"has images {theirs.shape}, here they are {mine.shape}; the weights fit images of one shape"
            yield Problem("start.model.data", message)
        elif mine.classes != theirs.classes:
            message = f"has {theirs.classes} classes, here there are {mine.classes}; the weights fit one number"
            yield Problem("start.model.data", message)

    def _decoder_problems(self) -> Iterator[Problem]:
        if self.data.normalise != "standard":
            return
        if self.model.kind == "pcktae":
            message = (
                "a PCKTAE's decoder ends in ReLU and cannot give the negative pixels of "
                "data.normalise=standard; use data.normalise=unit or model.kind=mlp_autoencoder"
            )
            yield Problem("", message)
        if getattr(self.model, "output", None) == "sigmoid":
            message = (
                f"the decoder of {self.model.kind} ends in a sigmoid and cannot give the pixels outside [0, 1] of "
                "data.normalise=standard; use data.normalise=unit or model.output=linear"
            )
            yield Problem("", message)


FromOther.model_rebuild()


def with_data(training: Any, name: str) -> Any:
    """A training, or its unchecked fields, on another data set; what is no section stays, to be refused."""
    values = training.model_dump() if isinstance(training, TrainingConfig) else training
    data = values.get("data", {}) if isinstance(values, Mapping) else None
    data = data.model_dump() if isinstance(data, DataConfig) else data
    return {**values, "data": {**data, "name": name}} if isinstance(data, Mapping) else values


# Trainer arguments that another field sets, or that no config can hold.
OWNED = {
    "max_epochs": "set max_epochs beside it",
    "accelerator": "set device",
    "devices": "a run has one device, or as many as it was started with; set device",
    "num_nodes": "a run has as many nodes as it was started with",
    "callbacks": "the run's callbacks are fixed",
    "logger": "the run itself logs",
    "plugins": "a config cannot hold one",
    "strategy": "it follows from what a run was started with",
}


def owned_problems(options: Mapping[str, Any]) -> Iterator[Problem]:
    """Arguments of Lightning's Trainer that are not for a config to set."""
    yield from (Problem(f"trainer.{name}", hint) for name, hint in OWNED.items() if name in options)
