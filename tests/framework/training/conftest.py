import pytest

from framework.training import train_autoencoder
from framework.training.config import TrainingConfig
from tests.framework.fakes import FakeRun

SMALL = {"kind": "mlp_autoencoder", "hidden": [16], "latent_dim": 4}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run that trained a small model for three epochs, and its config."""
    config = TrainingConfig.parse({"model": SMALL, "max_epochs": 3, "checkpoint_every": 2, "device": "cpu"})
    run = FakeRun(tmp_path_factory.mktemp("trained"))
    train_autoencoder(config, run)
    return run, config
