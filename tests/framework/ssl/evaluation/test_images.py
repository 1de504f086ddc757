import pytest
import torch
from torchvision.transforms import v2

from framework.errors import InvalidInput
from framework.ssl import build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.images import fitted, shape_taken
from framework.ssl.parts import SmallResNet

IMAGES = torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def test_images_that_fit_are_left_alone():
    assert fitted(IMAGES, (3, 20, 30)) is IMAGES


@pytest.mark.parametrize("side", [10, 20, 32])
def test_the_shorter_side_is_resized_and_the_longer_cut(side):
    expected = v2.Compose([v2.Resize(side, antialias=True), v2.CenterCrop(side)])(IMAGES)
    torch.testing.assert_close(fitted(IMAGES, (3, side, side)), expected)


def test_nothing_is_random():
    assert torch.equal(fitted(IMAGES, (3, 16, 16)), fitted(IMAGES, (3, 16, 16)))


def test_channels():
    grey = fitted(IMAGES, (1, 20, 30))
    weights = torch.tensor([0.2989, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close(grey, (IMAGES * weights).sum(dim=1, keepdim=True))
    assert torch.equal(fitted(grey, (3, 20, 30)), grey.repeat(1, 3, 1, 1))


def test_the_shape_that_a_model_takes():
    method = build(CONFIGS["byol"](), (1, 8, 8), backbone=SmallResNet(width=0.03125))
    assert shape_taken(method) == shape_taken(method.backbone) == (1, 8, 8)
    assert shape_taken(torch.nn.Flatten()) is None


def test_images_that_cannot_be_fitted():
    with pytest.raises(InvalidInput, match=r"images: have 3 channels, and the model takes 2; allowed: 1 or 3"):
        fitted(IMAGES, (2, 20, 30))
    with pytest.raises(InvalidInput, match=r"have the shape \(4, 5\); the model takes images \(N, 1, 8, 8\)"):
        fitted(torch.ones(4, 5), (1, 8, 8))
