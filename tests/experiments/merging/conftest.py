import pytest

from experiments.merging.config import MergingConfig
from experiments.merging.manager import MergingManager
from tests.experiments.bench import Bench

SGD = {"kind": "sgd", "momentum": 0.9}


def base(seed=0, **changes):
    return {
        "model": {"kind": "mlp", "hidden": [24, 16], "bias": True},
        "data": {"normalise": "standard"},
        "seed": seed,
        "max_epochs": 6,
        "optimizer": SGD,
        "learning_rate": 0.05,
        "device": "cpu",
    } | changes


RECIPES = [
    {"name": "soup", "method": "soup"},
    {"name": "greedy_soup", "method": "greedy_soup"},
    {"name": "task_arithmetic", "method": {"kind": "task_arithmetic", "scales": [0.0, 0.25, 0.5]}},
    {"name": "ties", "method": {"kind": "ties", "scales": [0.5]}},
    {"name": "dare+ties", "method": {"kind": "dare", "drop_rate": 0.5, "then": {"kind": "ties"}}},
    {"name": "fisher", "method": {"kind": "fisher", "num_samples": 50}},
    {"name": "regmean", "method": {"kind": "regmean", "num_samples": 100}},
    {"name": "ot", "method": "ot"},
    {"name": "activation_matching", "method": {"kind": "activation_matching", "num_samples": 100}},
]


def merging(**changes):
    fine_tune = {"epochs": 2, "learning_rate": 0.02, "optimizer": SGD}
    given = {"base": base(), "fine_tune": fine_tune, "recipes": RECIPES, "device": "cpu"}
    return MergingConfig.parse(given | changes)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("merging"), MergingManager())


@pytest.fixture(scope="session")
def run_of_tasks(bench):
    config = merging(scenario="tasks")
    return bench.run(config), config
