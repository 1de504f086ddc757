"""Devices by name: those that are here are taken, the others told with those that are."""

import pytest
import torch
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import InvalidInput
from framework.machine import device_here
from framework.metrics import measure
from framework.metrics.data_of import splits_of
from framework.metrics.generalisation import score
from framework.metrics.spaces import spectral_density
from framework.metrics.spaces_config import HessianConfig
from tests.second_device import DEVICE, SecondDevice

GIVEN_IMAGES = ImageSet(torch.rand(8, 4), torch.arange(8) % 3, torch.arange(8))
WITH_DEVICE = {
    "device_here": device_here,
    "measure": lambda device: measure(nn.Linear(4, 3), GIVEN_IMAGES, device=device),
    "score": lambda device: score(nn.Linear(4, 3), GIVEN_IMAGES, device),
    "spectral_density": lambda device: spectral_density(
        nn.Linear(4, 3), splits_of(nn.Linear(4, 3), GIVEN_IMAGES, None, 1), HessianConfig(), seed=0, device=device
    ),
}


@pytest.mark.parametrize("call", WITH_DEVICE)
@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("cuda", "is 'cuda', which this machine lacks; here: cpu"),
        ("cuda:7", "is 'cuda:7', which this machine lacks; here: cpu"),
        (torch.device("mps"), "is 'mps', which this machine lacks; here: cpu"),
        ("xpu", "is 'xpu', which this machine lacks; here: cpu"),
        ("meta", "is 'meta', which this machine lacks; here: cpu"),
        ("nonsense", "is 'nonsense', which is no device; here: cpu"),
        ("", "is '', which is no device; here: cpu"),
        (3, "is 3; allowed: the name of a device, or a torch.device; here: cpu"),
    ],
)
def test_a_device_that_is_not_there_is_told_with_those_that_are(call, device, says, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InvalidInput) as caught:
        WITH_DEVICE[call](device)
    assert [str(problem) for problem in caught.value.problems] == [f"device: {says}"]


def test_devices_that_are_there_are_taken_by_name_or_as_they_are():
    assert device_here("cpu") == device_here(torch.device("cpu")) == torch.device("cpu")
    with SecondDevice():
        assert device_here(DEVICE) == DEVICE


def test_a_gpu_beyond_the_last_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_here("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InvalidInput, match=r"is 'cuda:1', which this machine lacks; here: cuda, cpu"):
        device_here("cuda:1")
