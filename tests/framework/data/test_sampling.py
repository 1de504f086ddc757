import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.data import STRATEGIES
from framework.errors import ConfigError

equally, random = STRATEGIES["equally"], STRATEGIES["random"]
UNEVEN = np.repeat(np.arange(4), [400, 300, 60, 40])


@given(n=st.integers(1, 160), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_equally_gives_each_class_its_share_by_at_most_one(n, seed):
    picked = equally(UNEVEN, n, seed)
    counts = np.bincount(UNEVEN[picked], minlength=4)
    assert len(picked) == len(set(picked.tolist())) == n
    assert np.ptp(counts) <= 1


@given(n=st.integers(1, 800), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_random_draws_exactly_n_different_candidates(n, seed):
    picked = random(UNEVEN, n, seed)
    assert len(picked) == len(set(picked.tolist())) == n
    assert picked.min() >= 0
    assert picked.max() < len(UNEVEN)


def test_random_follows_the_sizes_of_the_classes_and_equally_does_not():
    shares = np.mean([np.bincount(UNEVEN[random(UNEVEN, 80, s)], minlength=4) / 80 for s in range(50)], axis=0)
    np.testing.assert_allclose(shares, np.bincount(UNEVEN) / len(UNEVEN), atol=0.03)
    assert np.bincount(UNEVEN[equally(UNEVEN, 80, 0)]).tolist() == [20, 20, 20, 20]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_seed_alone_decides(strategy):
    pick = STRATEGIES[strategy]
    np.testing.assert_array_equal(pick(UNEVEN, 30, 7), pick(UNEVEN, 30, 7))
    assert pick(UNEVEN, 30, 7).tolist() != pick(UNEVEN, 30, 8).tolist()


def test_the_classes_that_give_one_more_are_drawn_too():
    extra = {int(np.bincount(UNEVEN[equally(UNEVEN, 5, seed)], minlength=4).argmax()) for seed in range(40)}
    assert extra == {0, 1, 2, 3}


def test_equally_within_a_class_every_image_has_its_chance():
    hits = np.zeros(len(UNEVEN))
    for seed in range(200):
        hits[equally(UNEVEN, 80, seed)] += 1
    assert (hits[-100:] > 0).all()


def test_too_many_are_refused_with_strategy_number_and_what_there_is():
    with pytest.raises(ConfigError, match="is 801, for which sampling=random needs 801 candidates; there are 800"):
        random(UNEVEN, 801, 0)
    with pytest.raises(ConfigError, match=r"is 200, .*equally needs 50 candidates of class 3; there are 40"):
        equally(UNEVEN, 200, 0)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_samples_are_refused(strategy):
    with pytest.raises(ConfigError, match="allowed: a positive integer"):
        STRATEGIES[strategy](UNEVEN, 0, 0)
