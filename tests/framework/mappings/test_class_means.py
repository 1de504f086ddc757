import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from framework.errors import InvalidInput
from framework.mappings.class_means import fit_class_means
from framework.mappings.methods import load_mapping

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 60) * 2
SOURCE = RNG.normal(size=(60, 5)) + LABELS[:, None]
TARGET = RNG.normal(size=(60, 3)) - LABELS[:, None]


def test_every_sample_goes_to_the_targets_mean_of_the_nearest_class():
    found = fit_class_means(SOURCE, TARGET, LABELS)(SOURCE)
    said = NearestCentroid().fit(SOURCE, LABELS).predict(SOURCE)
    expected = np.stack([TARGET[label == LABELS].mean(axis=0) for label in said])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (said == LABELS).mean() < 1, "some lie nearer to another class"


def test_it_is_saved_and_loaded_like_a_mapping(tmp_path):
    mapping = fit_class_means(SOURCE, TARGET, torch.from_numpy(LABELS))
    mapping.save(tmp_path)
    np.testing.assert_array_equal(load_mapping(tmp_path)(SOURCE), mapping(SOURCE))
    assert repr(load_mapping(tmp_path)) == "class_means(5 → 3, n=60)"


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput, match=r"labels: has the shape \(59,\); allowed: \(60,\)"):
        fit_class_means(SOURCE, TARGET, LABELS[:-1])
    with pytest.raises(InvalidInput, match="must be pairs"):
        fit_class_means(SOURCE, TARGET[:-1], LABELS)
