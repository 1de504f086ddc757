import numpy as np
import pytest
from PIL import Image

from experiments.ssl.config import SSLConfig
from experiments.ssl.manager import SSLManager
from tests.experiments.bench import Bench
from tests.framework.ssl.training.conftest import HEADS, METHODS, TINY


def encoder(kind="simclr", **changes):
    return {**TINY, "method": {"kind": kind, **HEADS, **METHODS.get(kind, {})}, **changes}


def point(kind="simclr", encoder_changes=None, **changes):
    given = {"encoder": encoder(kind, **(encoder_changes or {})), "neighbours": 5, "device": "cpu"}
    return SSLConfig.parse(given | changes)


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("ssl"), SSLManager())


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder of coloured images of three classes, 40 each: one side of them is bright."""
    place, numbers = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, side in (("left", np.s_[:, :5]), ("right", np.s_[:, 5:]), ("top", np.s_[:5])):
        (place / name).mkdir()
        for number in range(40):
            pixels = numbers.integers(0, 120, (10, 10, 3), dtype=np.uint8)
            pixels[side] += 100
            Image.fromarray(pixels).save(place / name / f"{number}.png")
    return place


@pytest.fixture(scope="session")
def finished(bench, folder):
    """A run that evaluated a small encoder in every way, and its config."""
    config = point(fine_tune_epochs=1, transfer={"name": "folder", "folder": str(folder), "image_size": 10})
    return bench.run(config), config
