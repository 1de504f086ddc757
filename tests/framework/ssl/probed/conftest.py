import pytest

from framework.ssl.probed.artifact import load_probed, make_probe
from framework.ssl.probed.config import ProbeConfig
from tests.framework.fakes import FakeRun
from tests.framework.ssl.training.conftest import config_of, trained


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """A run that fitted a probe to a small encoder, and its config."""
    encoder = config_of()
    store = trained(tmp_path_factory.mktemp("encoder"), encoder).store
    config = ProbeConfig(encoder=encoder, device="cpu")
    run = FakeRun(tmp_path_factory.mktemp("probe"), store)
    make_probe(config, run)
    return run, config


@pytest.fixture(scope="session")
def probed(probe):
    run, config = probe
    return load_probed(run.require("probe", config), run.require("encoder", config.encoder), config)
