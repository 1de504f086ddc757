import torch

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.vision import ImageSet
from framework.training.label_noise import with_label_noise


def labelled(labels):
    labels = torch.tensor(labels)
    return ImageSet(torch.zeros(len(labels), 1, 2, 2), labels, torch.arange(len(labels)))


def test_a_share_of_the_labels_is_wrong_and_the_rest_as_it_was():
    images = load_splits(DataConfig()).train
    before = images.labels.clone()
    noisy = with_label_noise(images, 0.3, seed=1)
    changed = noisy.labels != before
    assert int(changed.sum()) == round(0.3 * len(images))
    assert torch.equal(images.labels, before)
    assert torch.equal(noisy.images, images.images)
    assert torch.equal(with_label_noise(images, 0.3, seed=1).labels, noisy.labels)
    assert not torch.equal(with_label_noise(images, 0.3, seed=2).labels, noisy.labels)


def test_each_other_class_that_is_there_is_as_likely():
    noisy = with_label_noise(labelled([2] * 30_000 + [5, 9]), 1.0, seed=0)
    counts = torch.bincount(noisy.labels, minlength=10)
    assert counts[2] in (0, 1, 2), "only what was 5 or 9 can have become 2"
    assert abs(int(counts[5]) - int(counts[9])) < 1000
    assert set(noisy.labels.tolist()) <= {2, 5, 9}


def test_nothing_changes_without_a_share_or_another_class():
    images = labelled([1, 2, 3])
    assert with_label_noise(images, 0.0, seed=0) is images
    one = labelled([4, 4, 4])
    assert with_label_noise(one, 1.0, seed=0) is one
