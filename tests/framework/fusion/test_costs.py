"""Products of features: against plain sums, with units that are constant, and against `numpy.corrcoef`."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from framework.fusion import fuse
from framework.fusion.costs import Products, total


def pieces(features: torch.Tensor, others: torch.Tensor, number: int) -> Products:
    parts = zip(features.chunk(number, dim=1), others.chunk(number, dim=1), strict=True)
    return total([Products.of(one, other) for one, other in parts])


@pytest.mark.parametrize("number", [1, 3, 40])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_correlations_are_those_of_numpy(number: int, offset: float):
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(5, 120, generator=generator, dtype=torch.float64) + offset for _ in range(2))
    found = pieces(one, other, number).centred().normalised().cross_nm
    expected = np.corrcoef(one, other)[:5, 5:]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("number", [1, 7])
@pytest.mark.parametrize("value", [0.0, 0.7, -3.0, 1e6])
def test_a_constant_unit_correlates_with_those_of_its_value_alone(value: float, number: int):
    generator = torch.Generator().manual_seed(1)
    one, other = (torch.randn(4, 700, generator=generator, dtype=torch.float64) for _ in range(2))
    one[1], other[3], other[0] = value, value, 1.5 * value + 1
    found = pieces(one, other, number).centred().normalised()
    assert found.cross_nm[1].tolist() == [0, 0, 0, 1]
    assert found.cross_nm[:, 0].tolist() == [0, 0, 0, 0]
    assert found.squares_n.tolist() == [1, 1, 1, 1]
    assert found.cross_nm.abs().max() <= 1 + 1e-12


def test_a_small_variance_about_a_large_mean_is_no_constant():
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(3, 500, generator=generator, dtype=torch.float64)
    found = pieces(noise * 1e-3 + 10, noise * 1e-3 + 10, 5).centred().normalised().cross_nm
    np.testing.assert_allclose(found, np.corrcoef(noise), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("constants", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"method": "activation_matching"},
        {"method": "activation_matching", "activation": "pre"},
        {"method": "ot", "source": "activations", "statistic": "standardised"},
    ],
)
def test_a_permuted_self_with_constant_units_is_recovered(
    dtype: torch.dtype, constants: int, options: dict[str, str]
):
    torch.manual_seed(constants)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    with torch.no_grad():
        for unit in range(constants):
            model[0].weight[2 * unit] = 0
            model[0].bias[2 * unit] = 0.7 + unit
    order = torch.randperm(8)
    permuted = copy.deepcopy(model)
    with torch.no_grad():
        permuted[0].weight[:], permuted[0].bias[:] = model[0].weight[order], model[0].bias[order]
        permuted[2].weight[:] = model[2].weight[:, order]
    made = fuse(model, permuted, inputs=torch.randn(1200, 6, dtype=dtype), return_alignment=True, **options)
    for name, value in made.aligned[1].state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name])
    (row,) = made.alignments[0].rows()
    assert abs(row["cost"]) < 1e-5
