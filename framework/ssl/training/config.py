"""What it takes to pretrain one encoder without labels. This module knows no tensor.

Step sizes that are customary, each for 128 images (`rate_per`): sgd 0.06 with weight_decay 5e-4 (the defaults),
lars 0.2 with weight_decay 1.5e-6, adamw 1e-3 with weight_decay 1e-2.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue

from framework.config import Seed, added, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import UNLABELED, facts_of, split_problems, train_images
from framework.errors import Problem
from framework.problems import within
from framework.ssl.config import MethodConfig, SimCLR
from framework.ssl.distortions.config import DistortionsConfig, view_problems
from framework.ssl.parts import BackboneConfig, Dense, SmallResNet, Timm, Torchvision
from framework.training.config import owned_problems
from framework.training.optimizers import SGD, Optimisation, OptimizerConfig, Schedule
from framework.training.starts import (
    Extended,
    Fresh,
    Kept,
    OtherWeights,
    before,
    checkpoint_problems,
    checkpoints_kept,
    other_problems,
)

Epochs = Annotated[int, Field(ge=1)]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
STANDARD_SIDE = 32
"""The least side, in pixels, of images that the standard stem of a ResNet leaves one pixel of."""
RATE_PER = 128


class FreshEncoder(Extended):
    """One encoder that is trained without labels, from its method's first weights on."""

    data: DataConfig = Field(
        DataConfig(), description="The images: the train split is learned from, the val split is looked at."
    )
    distortions: DistortionsConfig = Field(
        DistortionsConfig(preset="digits"), description="How views are made of images."
    )
    method: MethodConfig = Field(SimCLR(), description="The method.")
    backbone: BackboneConfig = Field(SmallResNet(width=0.25), description="The network that gives the features.")
    seed: Seed = replicate(
        0, description="Seed of the first weights, of the order of the batches and of all that is drawn for views."
    )
    max_epochs: int = Field(30, ge=1, description="Number of passes over the train split, in epochs.")
    batch_size: int = Field(
        128, ge=2, description="Images per optimiser step; images that fill no batch are left out of their epoch."
    )
    learning_rate: float = Field(
        0.06, gt=0, description="Step size of the optimiser for `rate_per` images, without unit."
    )
    rate_per: Annotated[int, Field(ge=1)] | None = Field(
        RATE_PER,
        description="Images that learning_rate is meant for: the step size is learning_rate * batch_size / "
        "rate_per. null takes learning_rate as it is.",
    )
    optimizer: OptimizerConfig = Field(SGD(), description="What makes steps of gradients.")
    weight_decay: float = Field(
        5e-4, ge=0, description=Optimisation.model_fields["weight_decay"].description or ""
    )
    schedule: Schedule = Field("cosine", description=Optimisation.model_fields["schedule"].description or "")
    precision: Precision = Field(
        "32-true", description="Precision of the network: 32-true, bf16-mixed, or 16-mixed (a GPU)."
    )
    unlabeled_fraction: Annotated[float, Field(ge=0, le=1)] = added(
        0.0,
        description="Share of the images without labels that is learned from beside the train split, in [0, 1]: "
        "stl10 has 100,000 of them. Neighbours and probes look at the train split alone. A smaller share is part "
        "of a larger one.",
    )
    evaluate_every: Epochs = Field(
        1, description="Epochs between two looks at the val split by nearest neighbours; the last is looked at."
    )
    neighbours: int = Field(20, ge=1, description="Neighbours k of the train split that vote on a val image.")
    temperature: float = Field(0.1, gt=0, description="Temperature t of their votes, exp(cosine / t).")
    early_stopping: Epochs | None = Field(
        None,
        description="Stop after these many epochs without a better val accuracy of the neighbours; null goes on "
        "to max_epochs. Schedules are laid out for max_epochs either way.",
    )
    stop_on_collapse: bool = Field(
        False,
        description="Whether the run ends as failed where all projections have come to lie at one place (true or "
        "false); it is told either way.",
    )
    checkpoint_every: Epochs | None = Field(
        None,
        description="Keep the weights of each of these many epochs too, beside initial, best and last; null keeps "
        "none in between.",
    )
    checkpoints_kept: Kept = checkpoints_kept()
    trainer: dict[str, JsonValue] = Field(
        {}, description="Further arguments of Lightning's Trainer by their own names and units."
    )
    probe: bool = no_effect(
        True, description="Whether a linear probe is trained beside, on features without gradient (true or false)."
    )
    diagnostics_every: Epochs | None = no_effect(
        1, description="Epochs between two diagnoses of features and projections of val images; null has none."
    )
    diagnostics_images: Annotated[int, Field(ge=2)] = no_effect(
        256, description="Val images that are diagnosed; fewer where there are."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )
    num_workers: Annotated[int, Field(ge=0)] = no_effect(
        0,
        description="Processes that may make views beside the training thread. With 0 views are made on it, and "
        "distortions.place=auto tries nothing; give as many as there are cores to let it choose.",
    )
    compile: bool = no_effect(
        False, description="Whether torch.compile makes kernels of the backbone: for long runs on a GPU."
    )
    channels_last: bool = no_effect(
        True,
        description="Whether the channels of a pixel lie side by side in memory (true or false), where the device "
        "and the backbone are faster so.",
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a view."""
        channels, height, width = facts_of(self.data).shape
        size = self.distortions.size
        return (channels, size, size) if size else (channels, height, width)

    @property
    def step_size(self) -> float:
        """The step size of the optimiser, before its schedule."""
        return self.learning_rate * (self.batch_size / self.rate_per if self.rate_per else 1.0)

    @property
    def as_trained(self) -> Self:
        """This config with the step size of its batches, and the schedule of the epochs that it adds."""
        return super().as_trained.model_copy(update={"learning_rate": self.step_size, "rate_per": None})

    def conflicts(self) -> Iterator[Problem]:
        """What data, views, method and backbone cannot do together."""
        yield from super().conflicts()
        yield from within("data", split_problems(self.data))
        yield from self._view_problems()
        yield from self._image_problems()
        yield from self._backbone_problems()
        yield from self._network_problems()
        if "precision" in self.trainer:
            yield Problem("trainer.precision", "set precision beside it")
        yield from owned_problems(self.trainer)

    def _view_problems(self) -> Iterator[Problem]:
        for problem in view_problems(self.distortions, facts_of(self.data).shape, self.method.views):
            outer = "method" if problem.key == "views" else "distortions"
            yield from within(outer, [problem])

    def _image_problems(self) -> Iterator[Problem]:
        images, unlabeled = train_images(self.data), UNLABELED.get(self.data.name, 0)
        split = f"the train split of {self.data.name} has {images} images"
        if self.data.train_fraction < 1:
            split += f" with data.train_fraction={self.data.train_fraction:g}"
        if self.unlabeled_fraction and not unlabeled:
            message = f"is {self.unlabeled_fraction:g}, and {self.data.name} has no images without labels"
            yield Problem(
                "unlabeled_fraction", f"{message}; allowed: 0, or a set that has: {', '.join(UNLABELED)}"
            )
        learned = images + round(self.unlabeled_fraction * unlabeled)
        if self.batch_size > learned:
            more = f" (with unlabeled_fraction={self.unlabeled_fraction:g} {learned})" if learned > images else ""
            message = (
                f"is {self.batch_size}, and {split}{more}, so that no batch is whole; allowed: 2 to {learned}"
            )
            yield Problem("batch_size", message)
        if self.neighbours > images:
            message = f"is {self.neighbours}, and {split}; allowed: 1 to {images}"
            yield Problem("neighbours", message)
        bank, at_once = getattr(self.method, "memory_bank_size", 0), self.method.views * self.batch_size
        if 0 < bank < at_once:
            message = (
                f"is {bank}, and a step has {at_once} projections ({self.method.views} views of {self.batch_size} "
                f"images); allowed: {at_once} or more, or 0"
            )
            yield Problem("method.memory_bank_size", message)

    def _backbone_problems(self) -> Iterator[Problem]:
        splits = 1 if isinstance(self.backbone, Dense) else self.backbone.splits
        if self.batch_size % splits:
            message = f"is {splits}, which does not divide batch_size ({self.batch_size})"
            yield Problem("backbone.splits", message)

    def _network_problems(self) -> Iterator[Problem]:
        """A standard stem that leaves nothing of small images."""
        side = min(self.shape[1:])
        if not isinstance(self.backbone, Torchvision | Timm) or side >= STANDARD_SIDE:
            return
        is_standard = self.backbone.stem == "standard" or self.backbone.weights == "pretrained"
        if "resne" in self.backbone.name and is_standard and self.backbone.stem != "small":
            given = "standard" if self.backbone.stem == "standard" else "auto, which is standard beside pretrained"
            message = (
                f"is {given}, and it makes less than a pixel of {side}x{side}; set backbone.stem=small, or "
                f"distortions.size to {STANDARD_SIDE} or more"
            )
            yield Problem("backbone.stem", message)


class FromOther(OtherWeights):
    """The weights of another encoder, which is made first where it is not there."""

    OTHER: ClassVar[str] = "encoder"

    encoder: "EncoderConfig" = Field(
        default_factory=lambda: EncoderConfig(),  # noqa: PLW0108 (it stands below)
        description="The encoder that they are taken from; it may begin with another's, too, and so on.",
    )
    parts: Literal["backbone", "all"] = Field(
        "backbone", description="What is taken: the backbone, or all of an encoder of the same method."
    )


class EncoderConfig(FreshEncoder):
    """One encoder that is trained without labels. Its artifact has the kind `encoder`."""

    start: Annotated[Fresh | FromOther, Field(discriminator="kind")] = added(
        Fresh(), description="The weights that training begins with."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Weights that do not fit, too."""
        yield from super().conflicts()
        if not isinstance(self.start, FromOther):
            return
        other, parts = self.start.encoder, {"backbone": ("backbone",), "all": ("backbone", "method")}
        yield from other_problems(self.start, self, parts[self.start.parts])
        yield from checkpoint_problems(self.start)
        if other.shape != self.shape and (other.shape[0] != self.shape[0] or isinstance(self.backbone, Dense)):
            message = f"are {other.shape}, here they are {self.shape}; the weights fit images of one shape"
            yield Problem("start.encoder.data", f"its images {message}")


FromOther.model_rebuild()


def required_by(config: FreshEncoder) -> FreshEncoder | None:
    """The encoder that has to be there before `config` can be trained, if there is one."""
    found: FreshEncoder | None = before(config)
    return found
