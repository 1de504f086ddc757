import pytest

from experiments.fusion.config import FusionConfig
from experiments.fusion.manager import FusionManager
from tests.experiments.bench import Bench

SGD = {"kind": "sgd", "momentum": 0.9}
REFINE = {"epochs": 1, "learning_rate": 0.01, "optimizer": SGD, "device": "cpu"}
CHEAP = {
    "hessian": {"batches": 1, "lanczos_steps": 10, "density_steps": 5, "density_draws": 1, "density_bins": 20},
    "sharpness": {"restarts": 1, "ascent_steps": 2, "batches": 1, "depth": 3},
    "pac_bayes": {"draws": 2, "batches": 1, "depth": 3},
}


def parent(seed=0, **changes):
    return {
        "model": {"kind": "mlp", "hidden": [24, 16]},
        "data": {"normalise": "standard"},
        "seed": seed,
        "max_epochs": 8,
        "optimizer": SGD,
        "learning_rate": 0.05,
        "device": "cpu",
    } | changes


def fusion(**changes):
    return FusionConfig.parse(
        {"first": parent(0), "second": parent(1), "num_inputs": 1000, "device": "cpu"} | changes
    )


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("fusion"), FusionManager())


@pytest.fixture(scope="session")
def whole_run(bench):
    """Everything switched on."""
    config = fusion(fine_tune=REFINE, distil=REFINE, metrics=CHEAP, curve_places=5)
    return bench.run(config), config
