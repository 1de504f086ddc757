"""One run: a table, a model, and the seed of whatever is drawn."""

from typing import Literal

from pydantic import Field

from framework.config import Config, Seed, no_effect, replicate
from framework.data.tabular.config import TableConfig
from framework.tabular.config import Linear, ModelConfig


class TabularConfig(Config):
    """A model is fitted on the train split of a table, chosen on val, and scored on test."""

    data: TableConfig = Field(TableConfig(), description="The table, its target, and how it is split.")
    model: ModelConfig = Field(Linear(), description="What predicts the target.")
    seed: Seed = replicate(0, description="Seed of the splits, of initial weights, of batches and of forests.")
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "cpu", description="Where networks are trained; tables are small, and a CPU is mostly faster."
    )
