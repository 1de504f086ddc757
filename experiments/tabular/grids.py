"""The grids of the experiment; `python -m experiments --write-sweeps sweeps` writes them to sweeps/."""

from experiments.tabular.config import TabularConfig
from framework.data.tabular.config import SHIPPED
from framework.grid import Grid, choice, maximize, replicates
from framework.tabular.config import MODELS

GRIDS = {
    # Minutes on two cores: every table that scikit-learn ships, every model, five splits.
    "tabular": Grid(
        TabularConfig,
        choice("data.name", SHIPPED),
        choice("model.kind", MODELS),
        replicates("seed", 5),
        metric=maximize("val/score"),
    ),
}
