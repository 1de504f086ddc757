"""The batched perceptrons against torch's own layers and autograd."""

import pytest
import torch
from torch import nn

from framework.mappings.mlp_network import differentiate, first_weights, forward, views

LAYERS = [(5, 7), (7, 7), (7, 3)]


def twin(flat):
    """torch's layers with one perceptron's parameters."""
    layers = [nn.Linear(*sizes) for sizes in LAYERS]
    parameters = views(flat[None], LAYERS)
    for layer, weight, bias in zip(layers, parameters[::2], parameters[1::2], strict=True):
        layer.weight.data.copy_(weight[0].T)
        layer.bias.data.copy_(bias[0, 0])
    return layers


def run(layers, x, kept):
    first = nn.functional.gelu(layers[0](x)) * kept[0]
    return layers[2](nn.functional.gelu(layers[1](first)) * kept[1])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    flat = torch.stack([first_weights(seed, LAYERS) for seed in range(3)])
    x, y = torch.randn(3, 11, 5, generator=generator), torch.randn(3, 11, 3, generator=generator)
    kept = [(torch.rand(11, 7, generator=generator) < 0.8) / 0.8 for _ in range(2)]
    return flat, x, y, kept


def test_the_output_is_that_of_torchs_layers(batch):
    flat, x, _, kept = batch
    for index in range(3):
        for factors in (kept, None):
            output = forward(x, views(flat, LAYERS), factors)[-1][index]
            torch.testing.assert_close(output, run(twin(flat[index]), x[index], factors or (1, 1)))


def test_the_gradient_is_that_of_autograd(batch):
    flat, x, y, kept = batch
    gradient = torch.full_like(flat, torch.nan)
    differentiate(x, y, flat, LAYERS, kept, gradient)
    for index in range(3):
        layers = twin(flat[index])
        nn.functional.mse_loss(run(layers, x[index], kept), y[index]).backward()
        parameters = views(gradient[index : index + 1], LAYERS)
        for layer, weight, bias in zip(layers, parameters[::2], parameters[1::2], strict=True):
            torch.testing.assert_close(weight[0].T, layer.weight.grad)
            torch.testing.assert_close(bias[0, 0], layer.bias.grad)


def test_first_weights_are_spread_as_torch_spreads_them():
    layers = [(16, 64), (64, 64), (64, 1000)]
    for (rows, _), part in zip(layers, views(first_weights(0, layers)[None], layers)[::2], strict=True):
        expected = nn.Linear(rows, 100).weight.detach()
        assert float(part.abs().max()) == pytest.approx(rows**-0.5, rel=0.02)
        assert float(part.std()) == pytest.approx(float(expected.std()), rel=0.1)
