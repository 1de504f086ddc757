import itertools

import numpy as np
import pytest
import torch

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.facts import train_images
from framework.data.fractions import digest, nested
from framework.errors import ConfigError
from framework.training.config import TrainingConfig

LABELS = np.repeat(np.arange(4), (100, 57, 9, 1))
SHARES = (0.01, 0.05, 0.1, 0.25, 0.33, 0.5, 0.9, 1.0)


def test_a_smaller_share_is_a_part_of_a_larger_one():
    shares = [set(nested(LABELS, share, 3).tolist()) for share in SHARES]
    for smaller, larger in itertools.pairwise(shares):
        assert smaller < larger
    assert shares[-1] == set(range(len(LABELS)))
    assert [len(share) for share in shares] == [max(1, round(share * len(LABELS))) for share in SHARES]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("seed", [0, 1, -5])
def test_each_class_gives_its_share_give_or_take_one(share, seed):
    labels = np.random.default_rng(0).permutation(LABELS)
    given = np.bincount(labels[nested(labels, share, seed)], minlength=4)
    assert (np.abs(given - share * np.bincount(labels)) <= 1.01).all()


def test_the_seed_decides_which():
    first, again, other = (nested(LABELS, 0.3, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first, np.sort(first))


def test_a_digest_tells_sets_of_indices_apart():
    assert digest([3, 1, 2]) == digest(np.array([1, 2, 3], dtype=np.int32)) == digest((2, 3, 1))
    assert digest([1, 2]) != digest([1, 3])
    assert digest([1, 2, 3]) == "e2e2033ae7e1"  # written down: records of runs hold such


def test_a_fraction_of_digits_leaves_val_and_test_alone():
    whole = load_splits(DataConfig())
    found = {}
    for fraction in (0.01, 0.1, 0.5):
        config = DataConfig(train_fraction=fraction)
        splits = found[fraction] = load_splits(config)
        assert len(splits.train) == train_images(config) == round(fraction * len(whole.train))
        for part in ("val", "test"):
            assert getattr(splits, part).digest == getattr(whole, part).digest
        assert np.ptp(np.bincount(splits.train.labels, minlength=10)) <= max(2, 0.03 * len(splits.train))
        where = torch.isin(whole.train.indices, splits.train.indices)
        assert torch.equal(splits.train.images, whole.train.images[where])
    sets = [set(splits.train.indices.tolist()) for splits in found.values()]
    assert sets[0] < sets[1] < sets[2]
    assert len({splits.train.digest for splits in found.values()}) == 3


def test_identities_of_what_was_made_before_stand():
    written_down = {
        "e0377955631d": {},
        "20527e283ee4": {"name": "cifar10", "normalise": "standard", "split_seed": 3},
    }
    for identity, given in written_down.items():
        assert DataConfig(**given).config_id == identity
        assert DataConfig(**given, train_fraction=1.0, image_size=None, folder=None).config_id == identity
        assert DataConfig(**given, train_fraction=0.5).config_id != identity
        assert DataConfig(**given, image_size=16).config_id != identity


def test_too_small_a_share_is_refused_in_words():
    with pytest.raises(ConfigError, match=r"data\.train_fraction: is 0\.003, which keeps 4 images of 10 classes"):
        TrainingConfig.parse({"data": {"train_fraction": 0.003}})
    with pytest.raises(ConfigError, match=r"train_fraction: is 0"):
        DataConfig.parse({"train_fraction": 0})
