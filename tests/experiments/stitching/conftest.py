import itertools

import pytest

from experiments.stitching.config import StitchingConfig
from experiments.stitching.manager import StitchingManager
from tests.framework.fakes import FakeRun

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


class Bench:
    """Trains what a point requires, once, and runs points."""

    def __init__(self, folder):
        self.folder, self.store, self.counter = folder, {}, itertools.count()
        self.manager = StitchingManager()
        self.made = 0

    def run(self, config):
        for kind, required in self.manager.requires(config):
            if (kind, required.config_id) not in self.store:
                self.made += 1
                self.manager.make(kind, required, self.new_run())
        run = self.new_run()
        self.manager.run(config, run)
        return run

    def new_run(self):
        return FakeRun(self.folder / f"run{next(self.counter)}", self.store)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def stitched_run(bench):
    config = stitching()
    return bench.run(config), config
