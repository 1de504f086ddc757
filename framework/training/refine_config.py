"""What it takes to train a finished network further. This module knows no tensor."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from framework.config import Seed, no_effect, replicate
from framework.training.optimizers import Optimisation

Augment = Literal["none", "flip_crop"]


class RefineConfig(Optimisation):
    """A finished network that is trained further, on the labels alone or on another network's outputs too."""

    EPOCHS: ClassVar[str] = "epochs"

    epochs: int = Field(10, ge=1, description="Number of passes over the train split, in epochs.")
    learning_rate: float = Field(
        1e-3, gt=0, description="Step size of the optimiser, without unit; the schedule goes on from it."
    )
    seed: Seed = replicate(0, description="Seed of the order of the batches and of dropout.")
    temperature: float = Field(
        20.0,
        gt=0,
        description="What both networks' logits are divided by before they are compared, without unit; read by "
        "distillation only.",
    )
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        0.7,
        description="Weight of the divergence from the teacher, in [0, 1], beside 1 - alpha of the cross-entropy; "
        "read by distillation only.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )
