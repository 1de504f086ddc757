"""How weights are moved, as data: the optimiser and the schedule of its step size. This module knows no tensor.

    rate(epoch) = learning_rate · factor(epoch)      epochs counted from 0, E in all, the first w of them warm-up

    warm-up      (epoch + 1) / (w + 1)               while epoch < w, whatever comes then                      (1)
    constant     1
    linear       1 - (epoch - w) / (E - w)                                                                     (2)
    cosine       (1 + cos(π (epoch - w) / (E - w))) / 2                                                        (3)
    multistep    gamma^k, of k milestones that are <= epoch                                                    (4)

Linear and cosine come to zero when the last epoch is over, not in it. The cosine is that of Loshchilov and Hutter,
"SGDR: stochastic gradient descent with warm restarts", 2017, without restarts.
"""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from framework.config import Config
from framework.errors import Problem

Share = Annotated[float, Field(ge=0, lt=1)]
Schedule = Literal["constant", "linear", "cosine", "multistep"]

MOMENTUM = "Share of the last step that the next one keeps, in [0, 1)."
GAMMA = 0.1


class Adam(Config):
    """Adam (Kingma and Ba, 2015) with PyTorch's averages."""

    kind: Literal["adam"] = Field("adam", description="Selects Adam.")


class AdamW(Config):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as PyTorch has it: every weight decays."""

    kind: Literal["adamw"] = Field("adamw", description="Selects Adam with decoupled weight decay.")


class SGD(Config):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = Field("sgd", description="Selects stochastic gradient descent.")
    momentum: Share = Field(0.9, description=MOMENTUM)
    nesterov: bool = Field(
        False, description="Whether the gradient is taken where the momentum leads (true or false)."
    )

    def conflicts(self) -> Iterator[Problem]:
        """A step that looks ahead along no momentum."""
        if self.nesterov and not self.momentum:
            yield Problem("nesterov", "is true, which needs a momentum above 0, not 0")


class LARS(Config):
    """Layer-wise adaptive steps.

    You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017, as lightly has it: each
    layer's step is scaled by the ratio of its weights' norm to its gradient's. Biases and the parameters of batch
    normalisation have neither weight decay nor scaling, as is customary.
    """

    kind: Literal["lars"] = Field("lars", description="Selects LARS, for large batches.")
    momentum: Share = Field(0.9, description=MOMENTUM)
    trust_coefficient: float = Field(
        0.001, gt=0, description="Length of a layer's step relative to its weights at step size 1, without unit."
    )


OptimizerConfig = Annotated[Adam | AdamW | SGD | LARS, Field(discriminator="kind")]


class Optimisation(Config):
    """What every training says about its steps. `EPOCHS` names the field of a subclass that counts the epochs."""

    EPOCHS: ClassVar[str]

    batch_size: int = Field(64, ge=2, description="Images per optimiser step.")
    learning_rate: float = Field(
        5e-3, gt=0, description="Step size of the optimiser, without unit; the schedule goes on from it."
    )
    optimizer: OptimizerConfig = Field(Adam(), description="What makes steps of gradients.")
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="Factor of the L2 penalty that the optimiser adds to the gradient, without unit; adamw takes "
        "so much of each weight, times the step size, off it instead.",
    )
    schedule: Schedule = Field(
        "constant",
        description="How the step size goes on: constant; linear, in a line to zero at the end of the last epoch; "
        "cosine, along half a cosine to zero there; or multistep, by the factor gamma at each of the milestones.",
    )
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="For schedule=multistep: the step size falls after these many epochs, in ascending order.",
    )
    gamma: float = Field(
        GAMMA, gt=0, lt=1, description="For schedule=multistep: the step size's factor at a milestone, in (0, 1)."
    )
    warmup_epochs: int = Field(
        0, ge=0, description="Epochs at the beginning in which the step size rises in a line to learning_rate."
    )

    @property
    def total_epochs(self) -> int:
        """The number of epochs."""
        return int(getattr(self, self.EPOCHS))

    def conflicts(self) -> Iterator[Problem]:
        """What cannot be done as it is said, all of it; keys are those of this section."""
        yield from self._schedule_problems()
        if self.optimizer.kind == "lars" and not self.weight_decay:
            message = (
                "weight_decay is 0, with which optimizer.kind=lars would scale no layer; allowed: above 0, "
                "1e-6 for instance"
            )
            yield Problem("", message)

    def _schedule_problems(self) -> Iterator[Problem]:
        total = f"{self.EPOCHS} ({self.total_epochs})"
        if self.warmup_epochs >= self.total_epochs:
            yield Problem("", f"warmup_epochs is {self.warmup_epochs}; allowed: below {total}")
        if self.schedule != "multistep":
            unread = {"milestones": bool(self.milestones), "gamma": self.gamma != GAMMA}
            given = [f"{name} ({getattr(self, name)})" for name, there in unread.items() if there]
            if given:
                message = (
                    f"{' and '.join(given)} would not be read by schedule={self.schedule}; leave it out, or set "
                    "schedule=multistep"
                )
                yield Problem("", message)
            return
        ascending = list(self.milestones) == sorted(set(self.milestones))
        if not self.milestones or not ascending or not self._inside(self.milestones):
            message = (
                f"milestones is {list(self.milestones)}; allowed with schedule=multistep: numbers of epochs in "
                f"ascending order, above warmup_epochs ({self.warmup_epochs}) and below {total}"
            )
            yield Problem("", message)

    def _inside(self, milestones: tuple[int, ...]) -> bool:
        return self.warmup_epochs < milestones[0] and milestones[-1] < self.total_epochs


def rate_factor(config: Optimisation, epoch: int) -> float:
    """What the learning rate is multiplied by in `epoch`, counted from 0: equations (1) to (4)."""
    warmup = config.warmup_epochs
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)  # (1)
    if config.schedule == "multistep":
        return config.gamma ** sum(milestone <= epoch for milestone in config.milestones)  # (4)
    progress = (epoch - warmup) / (config.total_epochs - warmup)
    if config.schedule == "linear":
        return 1 - progress  # (2)
    if config.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2  # (3)
    return 1.0
