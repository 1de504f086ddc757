"""The values of configs by dotted name, as results have them."""

import pytest

from experiments import EXPERIMENTS, manager_of
from framework.layers import flat_values
from framework.plan import plan
from framework.tracking.results import factors_of

MOST = 40


@pytest.mark.parametrize("experiment", sorted(EXPERIMENTS))
def test_they_are_those_of_the_whole_data(experiment: str) -> None:
    manager = manager_of(experiment)
    for name, grid in manager.grids.items():
        for point in plan(manager.config, grid.definition(name, experiment))[:MOST]:
            config = point.config
            assert factors_of(config) == flat_values(config.model_dump(), type(config))
