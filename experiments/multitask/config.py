"""One run: networks that learn some tasks of a function, and what is shown of them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from framework.config import added, no_effect
from framework.errors import Problem
from framework.multitask.config import TasksConfig
from framework.multitask.data.config import OUTPUTS
from framework.training.starts import Fresh, OtherWeights, other_problems


class FromOther(OtherWeights):
    """The weights of the networks of another run, which learns the same tasks with the same architecture."""

    OTHER: ClassVar[str] = "networks"

    networks: "MultitaskConfig" = Field(
        default_factory=lambda: MultitaskConfig(),  # noqa: PLW0108 (it stands below)
        description="The run that they are taken from; it may begin with another's, too, and so on.",
    )
    which: Literal["last"] = Field("last", description="Its last weights: there are no others.")


class MultitaskConfig(TasksConfig):
    """Networks are trained with their last weights counting: val chooses nothing."""

    figures_every: Annotated[int, Field(ge=0)] | None = no_effect(
        None,
        description="Figures of what is learnt, a task and output each, after each of these many epochs and the "
        "last, in epochs; null draws them after the last alone, 0 draws none.",
    )
    prediction_points: int = no_effect(
        256, description="Points of test that the table of predictions has, a task, spread evenly; 0 has no table."
    )
    start: Annotated[Fresh | FromOther, Field(discriminator="kind")] = added(
        Fresh(), description="The weights that training begins with."
    )
    coordinates: bool = Field(
        False,
        description="Whether the mean size of every layer's pre-activations over the first five steps is logged, "
        "for the coordinate check over widths (true or false).",
    )

    def conflicts(self) -> Iterator[Problem]:
        """A coordinate check of a network that has none, and weights that do not fit."""
        yield from super().conflicts()
        if self.coordinates and self.network.kind != "abc_mlp":
            told = f"is true, and network.kind is {self.network.kind}; allowed with network.kind=abc_mlp alone"
            yield Problem("coordinates", told)
        if not isinstance(self.start, FromOther):
            return
        yield from other_problems(self.start, self, ("network", "sharing", "learnt"))
        mine, theirs = (OUTPUTS[one.data.function] for one in (self, self.start.networks))
        if mine != theirs:
            told = f"has {theirs} outputs, and data.function has {mine}: the weights fit functions of one number"
            yield Problem("start.networks.data.function", told)


FromOther.model_rebuild()
