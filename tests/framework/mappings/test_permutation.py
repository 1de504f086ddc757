from itertools import permutations

import numpy as np
import pytest

from framework.errors import InvalidInput
from framework.mappings import METHODS


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fit(source, target):
    return METHODS["permutation"]().fit(source, target)


def test_recovers_a_known_permutation_and_translation(rng):
    source, order, shift = rng.normal(size=(40, 12)) + 2, rng.permutation(12), rng.normal(size=12)
    mapping = fit(source, source[:, order] + shift)
    np.testing.assert_array_equal(mapping.weight, np.eye(12)[order])
    np.testing.assert_allclose(mapping.bias, shift, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_is_the_best_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(9, 5)) + rng.normal(size=5), rng.normal(size=(9, 5)) + rng.normal(size=5)
    centred, wanted = source - source.mean(0), target - target.mean(0)
    best = min(permutations(range(5)), key=lambda order: ((centred[:, list(order)] - wanted) ** 2).sum())
    np.testing.assert_array_equal(fit(source, target).weight, np.eye(5)[list(best)])


def test_other_sizes_are_refused(rng):
    for target_dim in (4, 6):
        with pytest.raises(InvalidInput, match=f"z_target: has {target_dim} dimensions where z_source has 5"):
            fit(rng.normal(size=(9, 5)), rng.normal(size=(9, target_dim)))
