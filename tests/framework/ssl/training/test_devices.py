"""What looks at an encoder does so on a second device as on the CPU."""

import copy

import pytest
import torch

from framework.data.config import DataConfig
from framework.data.vision import load_pixels
from framework.ssl.training.diagnoses import diagnose
from framework.ssl.training.plain import plain_of
from tests.framework.ssl.conftest import tiny, views_of
from tests.framework.ssl.training.conftest import config_of
from tests.second_device import DEVICE, SecondDevice


def test_features_and_diagnoses():
    config = config_of(data={"normalise": "standard"})
    images = load_pixels(DataConfig()).val.images[:20]
    plain = plain_of(config, load_pixels(config.data))
    with SecondDevice():
        here = tiny("simclr")
        there = copy.deepcopy(here).to(DEVICE)
        expected, found = (
            plain.encoded(method, images, device)
            for method, device in ((here, torch.device("cpu")), (there, DEVICE))
        )
        for one, other in zip(expected, found, strict=True):
            assert other.device == DEVICE
            torch.testing.assert_close(other.cpu(), one)
        views = views_of(here, 12)
        assert diagnose(there, views) == pytest.approx(diagnose(here, views), rel=1e-3, nan_ok=True)
        assert next(there.parameters()).device == DEVICE
