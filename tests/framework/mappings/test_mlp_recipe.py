import numpy as np
import pytest
import torch

from framework.mappings import METHODS
from framework.mappings.mlp_recipe import Recipe, random_numbers, standardiser


@pytest.mark.parametrize(("n", "held_out"), [(5, 1), (9, 1), (10, 2), (100, 20), (500, 100)])
def test_a_fifth_is_held_out_and_every_sample_is_used_once(n, held_out):
    train, held = Recipe().split(n)
    assert len(held) == held_out
    assert sorted([*train, *held]) == list(range(n))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_of_fewer_than_five_none_is_held_out(n):
    train, held = Recipe().split(n)
    assert sorted(train) == sorted(held) == list(range(n))


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 1 - 1e-9])
def test_whatever_the_fraction_both_parts_have_a_sample(fraction):
    train, held = Recipe(val_fraction=fraction).split(7)
    assert min(len(train), len(held)) >= 1


def test_the_split_follows_the_seed():
    assert list(Recipe().split(50)[1]) == list(Recipe(hidden=3).split(50)[1])
    assert list(Recipe(seed=1).split(50)[1]) != list(Recipe().split(50)[1])
    assert len(Recipe(seed=-3).split(50)[1]) == 10


def test_dropout_factors_do_not_depend_on_the_number_of_samples_and_keep_the_mean():
    recipe = Recipe(dropout=0.3, hidden=200)
    few, many = recipe.dropout_factors(5, 7), recipe.dropout_factors(400, 7)
    for one, other in zip(few, many, strict=True):
        assert torch.equal(one, other[:5])
        np.testing.assert_allclose(other.unique(), [0, 1 / 0.7], rtol=1e-6)
        assert float(other.mean()) == pytest.approx(1, abs=0.01)
    assert not torch.equal(*many)
    assert not torch.equal(many[0], recipe.dropout_factors(400, 8)[0])
    assert torch.equal(Recipe(dropout=0.0).dropout_factors(3, 1)[0], torch.ones(3, 128))


def test_streams_of_other_keys_differ():
    firsts = {random_numbers(*keys).random() for keys in ((0, 1), (0, 2), (1, 1), (0, 1, 0), (0, 1, 1), (-1, 1))}
    assert len(firsts) == 6


def test_standardising_and_its_constants():
    values = np.random.default_rng(0).normal(size=(30, 4)) * [1, 50, 1e-9, 0] + [0, 7, 0, 3]
    mean, scale = standardiser(values, centre=True)
    np.testing.assert_allclose(((values - mean) / scale)[:, :3].std(axis=0), 1)
    assert scale[3] == 1
    assert mean[3] == pytest.approx(3)
    mean, scale = standardiser(values, centre=False)
    assert not mean.any()
    np.testing.assert_allclose(((values / scale) ** 2).mean(axis=0), 1)
    assert standardiser(np.zeros((5, 2)), centre=False)[1].tolist() == [1, 1]


def test_everything_wrong_with_a_recipe_comes_together():
    wrong = Recipe(
        hidden=0, epochs=0, patience=0, min_epochs=0, dropout=1.0, learning_rate=np.inf, val_fraction=1.0
    )
    assert {problem.key for problem in wrong.problems()} == {
        *("hidden", "epochs", "patience", "min_epochs", "dropout", "learning_rate", "val_fraction")
    }
    assert Recipe().problems() == []


@pytest.mark.parametrize("scale", [1e-2, 1e-4, 1e-7])
def test_latents_far_from_zero_are_standardised_in_the_precision_that_they_have(scale):
    noise = np.random.default_rng(0).normal(size=(50, 3))
    _, found = standardiser(1e3 + scale * noise, centre=True)
    np.testing.assert_allclose(found, scale * noise.std(axis=0), rtol=1e-4)
    single = np.full((50, 1), np.float32(0.1)).astype(np.float64)
    single[::2] = np.nextafter(np.float32(0.1), np.float32(1))  # one rounding apart
    assert standardiser(single, centre=True)[1].tolist() == [1]


@pytest.mark.parametrize(("kind", "options"), [("mlp", {}), ("residual", {"base": "affine"})])
def test_what_is_learnt_does_not_depend_on_where_zero_is(kind, options):
    generator = np.random.default_rng(0)
    base = generator.normal(size=(300, 4))
    target = np.tanh(base @ generator.normal(size=(4, 4)))
    plain = METHODS[kind](0.0, **options).fit(base, target)(base)
    far = METHODS[kind](0.0, **options).fit(1e3 + 1e-4 * base, 1e3 + 1e-4 * target)(1e3 + 1e-4 * base)
    np.testing.assert_allclose((far - 1e3) / 1e-4, plain, atol=0.05)
