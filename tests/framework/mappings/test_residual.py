import numpy as np
import pytest
import torch

from framework.errors import InvalidInput
from framework.mappings import METHODS
from tests.framework.mappings.test_mlp import error, latents

BASES = ("linear", "affine")
QUICK = {"hidden": 16, "epochs": 30}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_a_perceptron_of_zeros_leaves_the_base_exactly(base, ridge):
    z, y = latents()
    mapping = METHODS["residual"](ridge=ridge, base=base, **QUICK).fit(z, y)
    mapping.correction.weight_3.zero_()
    mapping.correction.bias_3.zero_()
    new = torch.randn(30, 6) + 5
    assert torch.equal(mapping(new), METHODS[base](ridge=ridge).fit(z, y)(new))


@pytest.mark.parametrize("base", BASES)
def test_where_the_base_is_exact_nothing_is_added(base):
    z, _ = latents(40)
    y = z @ np.random.default_rng(1).normal(size=(6, 4)) + (2 if base == "affine" else 0)
    mapping = METHODS["residual"](base=base, **QUICK).fit(z, y)
    new = torch.randn(30, 6)
    assert torch.equal(mapping(new), METHODS[base]().fit(z, y)(new))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("n", [3, 6, 20, 100])
@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_the_error_is_never_above_the_bases(base, n, ridge):
    for seed in range(3):
        z, y = latents(n, noise=3, seed=seed)
        method = METHODS["residual"](ridge=ridge, base=base, seed=seed, **QUICK)
        mapping, alone = method.fit(z, y), METHODS[base](ridge=ridge).fit(z, y)
        _, held = method.split(n)
        assert error(mapping, z[held], y[held]) <= error(alone, z[held], y[held]) * (1 + 1e-4) + 1e-6
        assert error(mapping, z, y) <= error(alone, z, y) * 1.05 + 1e-6


def test_learns_what_its_base_cannot():
    new = latents(seed=1)
    fitted = {name: METHODS[name]().fit(*latents()) for name in ("residual", "linear")}
    assert error(fitted["residual"], *new) < 0.3 * error(fitted["linear"], *new)


@pytest.mark.parametrize("base", BASES)
def test_it_is_kept_as_numbers_of_its_base_and_its_perceptron(base):
    mapping = METHODS["residual"](base=base, **QUICK).fit(*latents(30))
    assert {name.split(".")[0] for name in mapping.state_dict()} == {"base", "correction"}
    assert ("base.target_mean" in mapping.state_dict()) == (base == "affine")
    again = type(mapping).from_numbers(mapping.state_dict(), 6, 4)
    z = torch.randn(5, 6)
    assert torch.equal(mapping(z), again(z))


def test_another_base_is_refused_with_other_problems():
    with pytest.raises(InvalidInput, match=r"(?s)hidden: is 0.*base: is 'kernel'; allowed: linear, affine"):
        METHODS["residual"](base="kernel", hidden=0)
