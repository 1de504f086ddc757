import pytest
import torch
from torch import nn

from framework.models import build
from framework.models.config import AE


def test_the_layers_are_those_of_the_description():
    model = build(AE(latent_dim=10), (1, 28, 28)).eval()
    shapes, images = [], torch.rand(2, 1, 28, 28)
    for layer in [*model.encoder, *model.decoder]:
        images = layer(images)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            shapes.append(tuple(images.shape[1:]))
    convolutions = [(32, 14, 14), (64, 7, 7), (128, 4, 4), (256, 2, 2)]
    assert shapes == [*convolutions, (500,), (10,), (500,), (1024,), *convolutions[2::-1], (1, 28, 28)]
    assert isinstance(model.decoder[-1], nn.Sigmoid)


@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8, 10)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 7, 7), (1, 13, 30), (2, 9, 1)])
def test_every_size_comes_back(shape, channels):
    model = build(AE(channels=channels, hidden=9), shape).eval()
    assert model(torch.rand(2, *shape)).shape == (2, *shape)


def test_a_sigmoid_keeps_pixels_in_the_unit_interval_and_a_linear_output_does_not():
    latents = 100 * torch.randn(50, 8)
    torch.manual_seed(0)
    pixels = build(AE(channels=(4, 8)), (1, 8, 8)).eval().decode(latents)
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert build(AE(channels=(4, 8), output="linear"), (1, 8, 8)).eval().decode(latents).min() < 0
