import pytest

from framework.models import MODELS
from framework.training import train_model
from framework.training.config import TrainingConfig
from tests.framework.fakes import FakeRun

SMALL = {"kind": "mlp_autoencoder", "hidden": [16], "latent_dim": 4}

# The smallest of every kind that learns something on digits.
KINDS = {
    "pcktae": {"latent_dim": 4},
    "mlp_autoencoder": {"hidden": [16], "latent_dim": 4},
    "vae": {"hidden": [32, 16], "latent_dim": 4, "kl_weight": 0.25},
    "ae": {"channels": [4, 8], "hidden": 20, "latent_dim": 4},
    "resnet18": {"latent_dim": 6},
    "vit": {"hidden_dim": 16, "num_layers": 1, "mlp_dim": 16},
    "mlp": {"hidden": [32, 16]},
    "vgg": {"width": 0.125},
    "cifar_resnet": {"width": 0.125},
}


def small_kind(kind, **changes):
    given = {
        "model": {"kind": kind, **KINDS[kind]},
        "max_epochs": 2,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "device": "cpu",
    }
    if kind == "resnet18":  # 11 million parameters
        given |= {"batch_size": 32, "trainer": {"limit_train_batches": 4}}
    return TrainingConfig.parse(given | changes)


def train(folder, config, callbacks=()):
    run = FakeRun(folder)
    train_model(config, run, callbacks)
    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run that trained a small model for three epochs, and its config."""
    config = TrainingConfig.parse({"model": SMALL, "max_epochs": 3, "checkpoint_every": 2, "device": "cpu"})
    run = FakeRun(tmp_path_factory.mktemp("trained"))
    train_model(config, run)
    return run, config


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A run and its config by kind."""
    folder = tmp_path_factory.mktemp("kinds")
    configs = {kind: small_kind(kind) for kind in MODELS}
    return {kind: (train(folder / kind, config), config) for kind, config in configs.items()}
