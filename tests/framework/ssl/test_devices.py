"""Each method computes on a second device as on the CPU."""

import copy

import pytest
import torch

from framework.ssl.config import CONFIGS
from framework.ssl.parts import Dense, SmallResNet
from tests.framework.ssl.conftest import tiny, views_of
from tests.second_device import DEVICE, SecondDevice


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind not in ("lejepa", "visreg")])
def test_losses_and_gradients(kind):
    with SecondDevice():
        cube = {"var_batch": 1.0, "cov_feature": 1.0}
        here = tiny(kind, backbone=Dense(hidden=(9,)), views=3, strategy="mean_n", cube=cube)
        there, views = copy.deepcopy(here).to(DEVICE), views_of(here)
        expected, found = here.loss(views, 1, 4), there.loss(views.to(DEVICE), 1, 4)
        torch.testing.assert_close(found.total.cpu(), expected.total)
        for losses in (expected, found):
            losses.total.backward()
        for name, parameter in here.named_parameters():
            if parameter.grad is not None:
                gradient = there.get_parameter(name).grad
                assert gradient.device == DEVICE
                torch.testing.assert_close(gradient.cpu(), parameter.grad, rtol=1e-3, atol=1e-5)
        for method in (here, there):
            method.after_step()
        for name, value in here.state_dict().items():
            torch.testing.assert_close(there.state_dict()[name].cpu(), value)


@pytest.mark.parametrize("kind", ["lejepa", "visreg"])
def test_losses_with_random_directions(kind):
    with SecondDevice():
        here = tiny(kind, backbone=Dense(hidden=(9,)), views=3)
        there, views = copy.deepcopy(here).to(DEVICE), views_of(here)
        torch.manual_seed(0)
        expected = here.loss(views)
        torch.manual_seed(0)
        found = there.loss(views.to(DEVICE))
        assert found.total.device == DEVICE
        torch.testing.assert_close(found.total.cpu(), expected.total)


def test_normalisation_in_groups():
    with SecondDevice():
        here = tiny("moco", backbone=SmallResNet(width=0.03125, splits=2))
        there, views = copy.deepcopy(here).to(DEVICE), views_of(here)
        torch.manual_seed(0)
        expected = here.loss(views).total
        torch.manual_seed(0)
        torch.testing.assert_close(there.loss(views.to(DEVICE)).total.cpu(), expected)
