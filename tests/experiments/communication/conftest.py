import pytest

from experiments.communication.config import CommunicationConfig
from experiments.communication.manager import CommunicationManager
from tests.experiments.bench import Bench
from tests.framework.ssl.training.conftest import HEADS, TINY


def classifier(seed=0, **changes):
    return {
        "data": {"normalise": "standard"},
        "model": {"kind": "mlp", "hidden": [16, 12], "bias": True},
        "seed": seed,
        "max_epochs": 3,
        "optimizer": {"kind": "sgd", "momentum": 0.9},
        "learning_rate": 0.05,
        "device": "cpu",
    } | changes


def pair(first=0, second=1, of=None, **changes):
    """Two seeds of a classifier; `of` changes both."""
    both = {"first": classifier(first, **(of or {})), "second": classifier(second, **(of or {}))}
    return {"kind": "classifiers", **both, **changes}


def probed(seed=0, kind="simclr", **changes):
    return {"encoder": {**TINY, "method": {"kind": kind, **HEADS}, "seed": seed, **changes}, "device": "cpu"}


def encoders(first=0, second=1, **changes):
    return {"kind": "encoders", "first": probed(first), "second": probed(second)} | changes


def point(subject=None, **changes):
    given = {"subject": subject or pair(), "num_samples": 200, "device": "cpu"}  # of TINY's 323 images
    return CommunicationConfig.parse(given | changes)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("communication"), CommunicationManager())


@pytest.fixture(scope="session")
def classifiers_run(bench):
    config = point()
    return bench.run(config), config


@pytest.fixture(scope="session")
def encoders_run(bench):
    config = point(encoders())
    return bench.run(config), config
