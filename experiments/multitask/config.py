"""One run: networks that learn some tasks of a function, and what is shown of them."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from framework.config import no_effect
from framework.errors import Problem
from framework.multitask.config import TasksConfig


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
    coordinates: bool = Field(
        False,
        description="Whether the mean size of every layer's pre-activations over the first five steps is logged, "
        "for the coordinate check over widths (true or false).",
    )

    def conflicts(self) -> Iterator[Problem]:
        """A coordinate check of a network that has none."""
        yield from super().conflicts()
        if self.coordinates and self.network.kind != "abc_mlp":
            told = f"is true, and network.kind is {self.network.kind}; allowed with network.kind=abc_mlp alone"
            yield Problem("coordinates", told)
