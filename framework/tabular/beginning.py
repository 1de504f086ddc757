"""The weights that a network over a table begins with, where they are another network's.

They are those of another run, or of the same run with fewer epochs; its artifact is made first.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from framework.data.tabular.loading import TableData
from framework.errors import ConfigError, Problem
from framework.tabular.network import DESCRIPTION, load_network
from framework.training.optimizer_state import OPTIMIZER, Done, load_optimizer
from framework.training.starts import before

if TYPE_CHECKING:
    from framework.tracking.run import Run

KIND = "model"


class Beginning(NamedTuple):
    """Weights by name; and, where the training of that network goes on, what it has left."""

    weights: dict[str, Tensor]
    done: Done | None


def beginning_of(config: Any, data: TableData, run: "Run") -> Beginning | None:
    """What the network of a run begins with; None where the seed draws its weights.

    `config` is that of a whole run: `model`, `start`, `extra_epochs` and `without_extra`, as `TabularConfig` has.

    Raises:
        ArtifactError: the other network cannot be had, or its run has left no state of the optimiser.
        ConfigError: it looks at other features, or tells other classes.
    """
    other = before(config)
    if other is None:
        return None
    folder = run.require(KIND, other)
    if config.extra_epochs:
        weights = load_network(folder, other.model, "last").state_dict()
        return Beginning(weights, load_optimizer(folder / f"{OPTIMIZER}.safetensors"))
    _refuse_other_columns(folder, data)
    return Beginning(load_network(folder, other.model, config.start.which).state_dict(), None)


def _refuse_other_columns(folder: Path, data: TableData) -> None:
    told = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    problems = [
        Problem(f"start.{KIND}.data", f"has the {name} {', '.join(told[name])}, here they are {', '.join(mine)}")
        for name, mine in (("features", data.features), ("classes", data.classes))
        if list(mine) != told[name]
    ]
    if problems:
        raise ConfigError(problems)
