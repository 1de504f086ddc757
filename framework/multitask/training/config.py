"""How several tasks are learnt, as data. Knows no tensor.

Values per task mean, with one network a task, what that task's training does. With a shared network the criterion,
the penalty, the learning rate and the schedule may differ: the step is along the sum of the tasks' gradients, each
times its own learning rate.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, added
from framework.errors import Problem
from framework.multitask.per_task import PerTask, given_per_task, value
from framework.training.starts import EXTRA

Criterion = Literal["squared_error", "absolute_error", "huber"]
Reduction = Literal["sum", "mean"]
Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "linear", "cosine"]
Positive = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
OF_A_NETWORK = ("optimizer", "momentum", "weight_decay")


class Proportional(Config):
    """Each batch has of every task its share of the data; each sample comes once an epoch."""

    kind: Literal["proportional"] = Field("proportional", description="Selects batches in proportion to the data.")


class Stochastic(Config):
    """All samples in one random order, cut into batches; each sample comes once an epoch."""

    kind: Literal["stochastic"] = Field("stochastic", description="Selects batches drawn from all samples.")


class Custom(Config):
    """Batches that a function of your own makes."""

    kind: Literal["custom"] = Field("custom", description="Selects batches of a function of your own.")
    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="The function, as package.module:name. It takes the number of samples by task, batch_size and "
        "a torch.Generator, and returns an epoch: a list of batches, each with the positions of its samples by "
        "task. Every sample has to come at least once.",
    )


Batching = Annotated[Proportional | Stochastic | Custom, Field(discriminator="kind")]


class Sum(Config):
    """The plain sum of the tasks' losses."""

    kind: Literal["sum"] = Field("sum", description="Selects the plain sum of the losses.")


class UncertaintyWeighting(Config):
    """Learnt weights: Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", 2018."""

    kind: Literal["uncertainty"] = Field("uncertainty", description="Selects weighting by learnt uncertainties.")
    rate: Positive = Field(0.025, description="Step size of Adam on the logarithms of the variances.")


class FAMO(Config):
    """Losses that fall at equal rates: Liu et al., "FAMO: fast adaptive multitask optimization", 2023."""

    kind: Literal["famo"] = Field("famo", description="Selects fast adaptive multitask optimisation.")
    rate: Positive = Field(0.025, description="Step size of Adam on the logits of the weights.")
    decay: AtLeastZero = Field(1e-3, description="Weight decay of the logits.")


class PCGrad(Config):
    """Conflicting parts projected away: Yu et al., "Gradient surgery for multi-task learning", 2020."""

    kind: Literal["pcgrad"] = Field("pcgrad", description="Selects gradient surgery.")


class CAGrad(Config):
    """Conflict-averse steps: Liu et al., "Conflict-averse gradient descent for multi-task learning", 2021."""

    kind: Literal["cagrad"] = Field("cagrad", description="Selects conflict-averse gradient descent.")
    c: AtLeastZero = Field(0.4, description="How far the step may leave the mean gradient, relative to its norm.")


class UPGrad(Config):
    """Gradients projected onto the dual cone: Quinton and Rey, "Jacobian descent", 2024."""

    kind: Literal["upgrad"] = Field(
        "upgrad", description="Selects Jacobian descent with unconflicting projections."
    )


class NashMTL(Config):
    """A bargain between tasks: Navon et al., "Multi-task learning as a bargaining game", 2022."""

    kind: Literal["nash_mtl"] = Field("nash_mtl", description="Selects the Nash bargaining solution.")
    every: Annotated[int, Field(ge=1)] = Field(1, description="Steps for which weights are kept, in steps.")


Balancing = Annotated[
    Sum | UncertaintyWeighting | FAMO | PCGrad | CAGrad | UPGrad | NashMTL, Field(discriminator="kind")
]


class Learning(Config):
    """The steps of a training."""

    max_epochs: int = Field(512, ge=1, description="Passes over the train split, in epochs.")
    extra_epochs: Annotated[int, Field(ge=0)] = added(0, description=EXTRA)
    batch_size: int = Field(
        64, ge=1, description="Samples of a batch, of all tasks of a network together, in samples."
    )
    batching: Batching = Field(Proportional(), description="How batches are made of the tasks' samples.")
    criterion: PerTask[Criterion] = Field(
        "squared_error",
        description="The error between prediction and label: squared_error, absolute_error, or huber, which is "
        "squared up to 1 and straight beyond.",
    )
    reduction: PerTask[Reduction] = Field(
        "sum",
        description="How a batch's errors become a loss, over samples and outputs: their sum, or their mean. The "
        "learning rate that fits depends on it.",
    )
    penalty: PerTask[AtLeastZero] = Field(
        0.0, description="Factor of the sum over all weight tensors of their squared norm, added to the loss."
    )
    penalty_order: PerTask[Annotated[float, Field(ge=1)]] = Field(
        2.0, description="Order of that norm, at least 1: 1 sums absolute values, 2 is Euclid's."
    )
    optimizer: PerTask[Optimizer] = Field("adam", description="What makes steps of gradients: sgd, adam or adamw.")
    momentum: PerTask[Share] = Field(
        0.0, description="For sgd: the share of the last step that the next one keeps."
    )
    learning_rate: PerTask[Positive] = Field(
        1e-3,
        description="Step size, without unit. Networks in abc-parametrisation multiply it by width^-c, layer by "
        "layer.",
    )
    weight_decay: PerTask[AtLeastZero] = Field(
        0.0,
        description="Factor of the L2 penalty that the optimiser adds to the gradient, without unit; adamw takes "
        "so much of each weight, times the step size, off it instead.",
    )
    schedule: PerTask[Schedule] = Field(
        "constant",
        description="How the step size goes on: constant; linear, in a line to zero at the end of the last epoch; "
        "or cosine, along half a cosine to zero there.",
    )
    balancing: Balancing = Field(
        Sum(), description="How the tasks' losses or gradients are weighed against each other in a shared network."
    )

    @property
    def as_trained(self) -> "Learning":
        """This config with the schedule of the epochs that are trained: of one that goes on, those it adds."""
        if not self.extra_epochs:
            return self
        return self.model_copy(update={"max_epochs": self.extra_epochs, "extra_epochs": 0})

    def step_problems(self, tasks: Sequence[str]) -> Iterator[Problem]:
        """What the optimiser of a task does not read."""
        for task in tasks:
            kind: Optimizer = value(self.optimizer, task)
            momentum = value(self.momentum, task)
            if momentum and kind != "sgd":
                told = f"is {momentum}, and {kind} does not read it; leave it 0, or set optimizer=sgd"
                yield Problem("momentum", told)
                return

    def shared_problems(self) -> Iterator[Problem]:
        """What cannot differ between the tasks of one network."""
        for name, mapping in given_per_task(self).items():
            if name in OF_A_NETWORK and len({repr(given) for given in mapping.values()}) > 1:
                told = f"differs between tasks ({mapping}), which share one network and its optimiser"
                yield Problem(name, f"{told}; give one value, or set sharing=per_task")

    def batch_problems(self, counts: Sequence[tuple[str, int]]) -> Iterator[Problem]:
        """Batches of proportion that leave out a task; `counts` are its samples by task of one network."""
        steps = -(-sum(count for _, count in counts) // self.batch_size)
        few = [(task, count) for task, count in counts if count < steps]
        if self.batching.kind == "proportional" and few:
            task, count = min(few, key=lambda one: one[1])
            least = -(-sum(count for _, count in counts) // count)
            told = f"is {self.batch_size}, which makes {steps} batches, and {task} has {count} samples"
            yield Problem("batch_size", f"{told}; allowed: {least} or more, or batching.kind=stochastic")
