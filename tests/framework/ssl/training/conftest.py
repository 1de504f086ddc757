import pytest

from framework.ssl.training.config import EncoderConfig
from framework.ssl.training.pretraining import pretrain
from tests.framework.fakes import FakeRun

HEADS = {"projection": {"kind": "mlp", "hidden": [12], "output": 6}}
METHODS = {
    "simclr": {},
    "moco": {"memory_bank_size": 128},
    "byol": {"predictor": {"hidden": [10]}},
    "lejepa": {"slices": 16, "views": 3},
}
TINY = {
    "backbone": {"kind": "mlp", "hidden": [16]},
    "max_epochs": 3,
    "batch_size": 64,
    "neighbours": 5,
    "diagnostics_images": 20,
    "data": {"train_fraction": 0.25},
    "device": "cpu",
}


def config_of(kind="simclr", **changes):
    """A method on a network of one layer, on a quarter of the digits: five batches an epoch."""
    method = {"kind": kind, **HEADS, **METHODS.get(kind, {}), **changes.pop("method", {})}
    return EncoderConfig.parse({**TINY, "method": method, **changes})


def trained(folder, config, store=None, callbacks=()):
    run = FakeRun(folder, store)
    pretrain(config, run, callbacks)
    return run


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A run that trained a small encoder, and its config."""
    config = config_of(checkpoint_every=2)
    return trained(tmp_path_factory.mktemp("encoder"), config), config
