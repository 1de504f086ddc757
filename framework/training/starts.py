"""The weights that a training begins with, as data: its own, another training's, or those of one that goes on.

    start: fresh         weights drawn by the seed
    start: from_other    the weights of another training of the same architecture, and nothing else of it
    extra_epochs: n      the training of the same config without them goes on: weights, optimiser, epochs and steps

The other training is required: it is made first where it is not there. `extra_epochs` stands beside `max_epochs`,
`start` beside the seed. This module knows no tensor.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from framework.config import Config, added, no_effect
from framework.errors import Problem
from framework.problems import differing
from framework.training.optimizers import Optimisation

CHECKPOINT = r"^(best|last|initial|epoch_\d{4,})$"
EXTRA = (
    "Epochs that the finished training of this config, with 0 here, is trained on, from its last weights and the "
    "state of its optimiser; epochs and steps count on. Batches come in another order, schedules begin anew for "
    "these epochs, without warm-up."
)
Kept = Literal["all", "best_and_last"]


class Fresh(Config):
    """First weights that the seed draws."""

    kind: Literal["fresh"] = Field("fresh", description="Selects first weights that the seed draws.")


class OtherWeights(Config):
    """The weights of another training, which is made first where it is not there.

    A subclass has that training as a field of its own, whose name is `OTHER`.
    """

    OTHER: ClassVar[str]

    kind: Literal["from_other"] = Field("from_other", description="Selects the weights of another training.")
    which: Annotated[str, Field(pattern=CHECKPOINT)] = Field(
        "last",
        description="The checkpoint that they are taken from: best (by val), last, initial, or epoch_0010 and the "
        "like, which checkpoint_every has kept.",
    )

    @property
    def other(self) -> Any:
        """The training that they are taken from."""
        return getattr(self, self.OTHER)


class Extended(Optimisation):
    """A training with `max_epochs` epochs that can go on when it is over."""

    EPOCHS: ClassVar[str] = "max_epochs"

    extra_epochs: Annotated[int, Field(ge=0)] = added(
        0, description=f"{EXTRA} The best weights are the best of these epochs."
    )

    @property
    def as_trained(self) -> Self:
        """This config with the schedule of the epochs that are trained: of one that goes on, those it adds."""
        if not self.extra_epochs:
            return self
        return self.model_copy(update={self.EPOCHS: self.extra_epochs, "warmup_epochs": 0, "extra_epochs": 0})

    @property
    def without_extra(self) -> Self:
        """The training that this one goes on from."""
        return self.model_copy(update={"extra_epochs": 0})

    def conflicts(self) -> Iterator[Problem]:
        """A schedule that cannot begin anew."""
        yield from super().conflicts()
        if self.extra_epochs and self.schedule == "multistep":
            message = "has milestones of max_epochs, and extra_epochs come after them; take another schedule"
            yield Problem("schedule", f"is multistep, which {message}")


def checkpoints_kept() -> Any:
    """The field that says which checkpoints of a training are kept."""
    return no_effect(
        "all",
        description="Checkpoints that the artifact has: all (initial, best, last, and those of checkpoint_every), "
        "or best_and_last, for less to store.",
    )


def before(config: Any) -> Any:
    """The training that has to be there before `config` can be trained, or None."""
    if config.extra_epochs:
        return config.without_extra
    start = getattr(config, "start", None)
    return start.other if isinstance(start, OtherWeights) else None


def other_problems(start: OtherWeights, mine: Config, names: tuple[str, ...]) -> Iterator[Problem]:
    """Sections of an architecture that differ from those of the other training, and a checkpoint that it lacks."""
    for name in names:
        here, there = (getattr(config, name) for config in (mine, start.other))
        if here != there:
            same_kind = type(here) is type(there) and isinstance(here, Config)
            told = differing(here, there) if same_kind else f"{_told(here)} and {_told(there)}"
            key = f"start.{start.OTHER}.{name}"
            yield Problem(key, f"has other weights than {name}: {told}; make them equal")


def checkpoint_problems(start: OtherWeights) -> Iterator[Problem]:
    """A checkpoint that the other training does not keep."""
    if start.which in ("best", "last"):
        return
    other, last = start.other, start.other.max_epochs + start.other.extra_epochs
    if other.checkpoints_kept == "best_and_last":
        told = f"start.{start.OTHER}.checkpoints_kept is best_and_last; allowed: best, last"
        yield Problem("start.which", f"is {start.which}, and {told}")
    elif start.which != "initial":
        every, epoch = other.checkpoint_every, int(re.sub(r"\D", "", start.which))
        first = other.max_epochs + 1 if other.extra_epochs else 1
        if not every or epoch % every or not first <= epoch <= last or start.which != f"epoch_{epoch:04d}":
            there = [f"epoch_{one:04d}" for one in range(first, last + 1) if every and one % every == 0]
            few = there if len(there) < 6 else [*there[:2], "...", there[-1]]
            told = f"start.{start.OTHER}.checkpoint_every is {every if every else 'null'}"
            allowed = ", ".join(["best", "last", "initial", *few])
            yield Problem("start.which", f"is {start.which}, and {told}; allowed: {allowed}")


def _told(value: Any) -> Any:
    return getattr(value, "kind", value)
