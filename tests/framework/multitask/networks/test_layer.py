"""The abc layer against the plain product, however its multipliers are laid."""

import pytest
import torch

from framework.multitask.networks.layer import AbcLayer
from framework.multitask.networks.parametrisation import Exponents, LayerScaling, Scaling

SCALING = LayerScaling(Scaling(16, Exponents(0.5, 0.25, 0, 0)), Scaling(16, Exponents(-0.5, 0.5, 0, 0)))
PLAIN = LayerScaling(Scaling(16, Exponents(0, 0.5, 0, 0)), Scaling(1, Exponents(0, 0, 0, 0)))


def layer(inputs: int, outputs: int, scaling: LayerScaling = SCALING, **options: bool) -> AbcLayer:
    return AbcLayer(inputs, outputs, scaling, generator=torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("scaling", [SCALING, PLAIN])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("rows", [(7,), (2, 7)])
def test_it_is_the_product_with_its_multipliers(inputs, outputs, scaling, bias, rows):
    made = layer(inputs, outputs, scaling, bias=bias).double()
    x = torch.randn(*rows, inputs, dtype=torch.float64, requires_grad=True)
    expected = torch.einsum("...i,io->...o", x, made.weight * 16**-scaling.weight.exponents.a)
    if made.bias is not None:
        expected = expected + made.bias * scaling.bias.multiplier
    torch.testing.assert_close(made(x), expected)
    weights = [x, *made.parameters()]
    upstream = torch.randn_like(expected)
    found = torch.autograd.grad(made(x), weights, upstream)
    torch.testing.assert_close(found, torch.autograd.grad(expected, weights, upstream))


def test_weights_begin_with_their_deviation():
    weight, bias = layer(400, 300).weight.detach(), layer(2, 20_000).bias.detach()
    assert float(weight.std()) == pytest.approx(16**-0.25, rel=0.01)
    assert float(bias.std()) == pytest.approx(16**-0.5, rel=0.02)
    assert abs(float(weight.mean())) < 0.01


def test_it_can_begin_at_zero():
    made = layer(4, 3, zero=True)
    assert not any(parameter.any() for parameter in made.parameters())


def test_it_is_drawn_from_a_generator_or_from_the_seed():
    assert torch.equal(layer(4, 3).weight, layer(4, 3).weight)
    torch.manual_seed(5)
    first = AbcLayer(4, 3, SCALING)
    torch.manual_seed(5)
    assert torch.equal(first.weight, AbcLayer(4, 3, SCALING).weight)


def test_it_tells_its_size_and_scaling():
    assert repr(layer(4, 3)).startswith("AbcLayer(4, 3, weight=Scaling(n=16")
