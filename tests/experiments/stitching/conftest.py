import pytest

from experiments.stitching.config import StitchingConfig
from experiments.stitching.manager import StitchingManager
from tests.experiments.bench import Bench

MODEL = {
    "model": {"kind": "mlp_autoencoder", "hidden": [24], "latent_dim": 5},
    "max_epochs": 3,
    "device": "cpu",
    "reconstructions_every": None,
}


def model(seed=0, **changes):
    return MODEL | {"seed": seed} | changes


def stitching(source=0, target=1, **changes):
    small = {"num_samples": [20, 60], "mapping": {"kind": "affine", "ridges": [0.0, 0.1]}, "device": "cpu"}
    models = {"source": model(source), "target": target if isinstance(target, dict) else model(target)}
    return StitchingConfig.parse(models | small | changes)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"), StitchingManager())


@pytest.fixture(scope="session")
def stitched_run(bench):
    config = stitching()
    return bench.run(config), config
