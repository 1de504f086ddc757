"""The key of a run's summary by which pages compare the points of a sweep."""

from experiments import EXPERIMENTS, manager_of


def compared_by(sweep: str) -> str:
    """The metric that the grid of a sweep names."""
    grids = {name: grid for experiment in EXPERIMENTS for name, grid in manager_of(experiment).grids.items()}
    metric = grids[sweep].metric
    assert metric is not None
    return metric.name
