import dataclasses

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.errors import DataUnavailable, InvalidInput
from framework.ssl.evaluation.tasks import task_of

X, Y = load_digits(return_X_y=True)


def test_a_name_is_its_three_splits():
    splits, task = load_splits(DataConfig(name="digits")), task_of("digits")
    assert (task.train, task.val, task.test) == (splits.train, splits.val, splits.test)
    assert task.counts == {"n_train": 1293, "n_val": 144, "n_test": 360}
    assert (task.num_classes, task.one_origin) == (10, True)
    assert task_of(splits).counts == task.counts
    assert task_of(task) is task


def test_seeds_of_a_name_draw_other_splits():
    assert not torch.equal(task_of("digits", 1).test.indices, task_of("digits").test.indices)


def test_arrays_are_drawn_by_class():
    task = task_of((X, Y))
    assert task.counts == {"n_train": 1293, "n_val": 144, "n_test": 360}
    assert task.how == "drawn from (X, y) by class with seed 0: 1293 train, 144 val, 360 test"
    parts = (task.train, task.val, task.test)
    together = torch.cat([part.indices for part in parts])
    assert torch.equal(together.sort().values, torch.arange(1797))
    for part in parts:
        assert torch.equal(part.images, torch.from_numpy(X).float()[part.indices])
        assert torch.equal(part.labels, torch.from_numpy(Y)[part.indices])
        shares = np.bincount(part.labels, minlength=10) / len(part)
        assert np.abs(shares - np.bincount(Y) / 1797).max() < 0.01


def test_arrays_with_equal_seeds():
    first, again, other = (task_of((X, Y), seed) for seed in (-3, -3, 4))
    assert torch.equal(first.test.indices, again.test.indices)
    assert not torch.equal(first.test.indices, other.test.indices)


@pytest.mark.parametrize(
    "labels", [np.array(["cat", "ape", "dog"]), np.array([7, 3, 9]), np.array([True, False, True])]
)
def test_classes_by_their_labels(labels):
    task = task_of((X[:60], labels[np.arange(60) % 3]))
    assert task.classes == tuple(np.unique(labels).tolist())
    told = np.asarray(task.classes)[task.train.labels]
    assert (told == labels[task.train.indices % 3]).all()


def test_tensors():
    task = task_of((torch.from_numpy(X).half(), torch.from_numpy(Y)))
    assert task.train.images.dtype == torch.float16


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("digitz", r"dataset: is 'digitz'; did you mean `digits`\?"),
        (5, r"dataset: is int; allowed: the name of a data set, Splits, or \(X, y\)"),
        ((X, Y[1:]), r"has 1797 rows in X and 1796 labels in y"),
        ((X[:, 0], Y), r"has an X of .* with the shape \(1797,\)"),
        ((X, Y.astype(float)), r"has a y of float64 .*; allowed: whole numbers or words"),
        ((["a", "b"], Y), r"has an X that is no array of numbers"),
        ((X[:12], np.arange(12)), r"cannot be drawn into train, val and test by class"),
    ],
)
def test_what_is_no_task(dataset, told):
    with pytest.raises(InvalidInput, match=told):
        task_of(dataset)


def test_no_seed():
    with pytest.raises(InvalidInput, match=r"seed: is 0\.5"):
        task_of("digits", 0.5)


def test_splits_that_share_images():
    splits = load_splits(DataConfig(name="digits"))
    with pytest.raises(InvalidInput, match=r"dataset: val and test share 144 images; allowed: disjoint splits"):
        task_of(dataclasses.replace(splits, test=splits.val))
    official = dataclasses.replace(splits, name="mnist", test=splits.val)  # of an official test set
    assert not task_of(official).one_origin
    with pytest.raises(InvalidInput, match=r"train and val share 144 images"):
        task_of(dataclasses.replace(splits, name="mnist", train=splits.val))


def test_a_set_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match="mnist is not in"):
        task_of("mnist", 123)
