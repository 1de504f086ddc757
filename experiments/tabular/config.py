"""One run: a table, a model, and the seed of whatever is drawn."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from framework.config import Config, Seed, added, no_effect, replicate
from framework.data.tabular.config import TableConfig
from framework.errors import Problem
from framework.tabular.config import Linear, ModelConfig, Network
from framework.tabular.starts import start_problems
from framework.training.starts import Fresh, OtherWeights


class FromOther(OtherWeights):
    """The weights of the network of another run, over a table with the same features and classes."""

    OTHER: ClassVar[str] = "model"

    model: "TabularConfig" = Field(
        default_factory=lambda: TabularConfig(),  # noqa: PLW0108 (it stands below)
        description="The run that they are taken from; its network may begin with another's, too.",
    )
    which: Literal["best", "last", "initial"] = Field(
        "last", description="Its best weights (by val), its last ones, or those before its first step."
    )


class TabularConfig(Config):
    """A model is fitted on the train split of a table, chosen on val, and scored on test."""

    data: TableConfig = Field(TableConfig(), description="The table, its target, and how it is split.")
    model: ModelConfig = Field(Linear(), description="What predicts the target.")
    seed: Seed = replicate(0, description="Seed of the splits, of initial weights, of batches and of forests.")
    start: Annotated[Fresh | FromOther, Field(discriminator="kind")] = added(
        Fresh(), description="The weights that a network begins with."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "cpu", description="Where networks are trained; tables are small, and a CPU is mostly faster."
    )

    @property
    def extra_epochs(self) -> int:
        """The epochs that the training of a network goes on for; of other models 0."""
        return self.model.extra_epochs if isinstance(self.model, Network) else 0

    @property
    def without_extra(self) -> "TabularConfig":
        """The run that this one goes on from."""
        changes = {"model": self.model.without_extra} if isinstance(self.model, Network) else {}
        return self.model_copy(update=changes)

    def conflicts(self) -> Iterator[Problem]:
        """Weights that do not fit."""
        if isinstance(self.start, FromOther):
            yield from start_problems(self.start, self.model)


FromOther.model_rebuild()
