import numpy as np
import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.mappings import METHODS


def latents(n=200, noise=0.05, seed=0):
    """A bend in every target dimension that no affine map can follow."""
    rng = np.random.default_rng(seed)
    z, weights = rng.normal(size=(n, 6)) + 5, np.random.default_rng(9).normal(size=(6, 4))
    return z, np.abs((z - 5) @ weights) * 4 + noise * rng.normal(size=(n, 4)) - 20


def error(mapping, z, y):
    return float((mapping(torch.tensor(z, dtype=torch.float32)) - torch.tensor(y)).square().mean())


def test_learns_what_no_affine_map_can():
    new = latents(seed=1)
    mlp, affine = (METHODS[name]().fit(*latents()) for name in ("mlp", "affine"))
    assert error(mlp, *new) < 0.3 * error(affine, *new)


def test_it_is_torchs_network_between_standardised_latents_without_dropout():
    z, y = latents()
    mapping = METHODS["mlp"](hidden=8, dropout=0.5, epochs=20).fit(z, y)
    layers = [
        nn.Linear(6, 8),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(8, 8),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(8, 4),
    ]
    twin = nn.Sequential(*layers).eval()
    with torch.no_grad():
        for index, layer in enumerate((twin[0], twin[3], twin[6]), start=1):
            layer.weight.copy_(getattr(mapping, f"weight_{index}"))
            layer.bias.copy_(getattr(mapping, f"bias_{index}"))
        x = torch.randn(9, 6) + 5
        expected = twin(
            (x - mapping.input_mean.sum(0)) / mapping.input_scale
        ) * mapping.output_scale + mapping.output_mean.sum(0)
    torch.testing.assert_close(mapping.train()(x), expected)
    assert torch.equal(mapping(x), mapping(x))


def test_the_latents_are_standardised_by_what_is_trained_on():
    z, y = latents(50)
    method = METHODS["mlp"](hidden=8, epochs=2)
    mapping, (train_on, _) = method.fit(z, y), method.split(50)
    np.testing.assert_allclose(mapping.input_mean.double().sum(0), z[train_on].mean(0), rtol=1e-5)
    np.testing.assert_allclose(mapping.input_scale, z[train_on].std(0), rtol=1e-5)
    np.testing.assert_allclose(mapping.output_scale, y[train_on].std(0), rtol=1e-5)


def test_a_constant_dimension_is_no_obstacle():
    z, y = latents(50)
    z[:, 2], y[:, 1] = 7, -3
    mapping = METHODS["mlp"](hidden=8, epochs=30).fit(z, y)
    assert mapping.input_scale[2] == mapping.output_scale[1] == 1
    assert torch.isfinite(mapping(torch.tensor(z, dtype=torch.float32))).all()


def test_everything_wrong_with_the_options_comes_together():
    with pytest.raises(InvalidInput) as caught:
        METHODS["mlp"](hidden=0, dropout=1.0, ridge=-1)
    assert [problem.key for problem in caught.value.problems] == ["ridge", "hidden", "dropout"]
    with pytest.raises(InvalidInput, match="hiden: mlp has no such option; did you mean `hidden`"):
        METHODS["mlp"](hiden=3)
