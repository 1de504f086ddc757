"""Learning from images without labels, on a file in the layout of STL10 with few images."""

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback

from framework.data.vision import load_pixels
from framework.errors import DataUnavailable
from framework.ssl.training.batches import learned_from
from tests.framework.ssl.training.conftest import config_of, trained

COUNTS = {"train": 40, "test": 20, "unlabeled": 30}
SMALL = {"name": "stl10", "val_fraction": 0.25, "image_size": 8}


@pytest.fixture
def stl10(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    root, numbers = tmp_path / "stl10_binary", np.random.default_rng(0)
    root.mkdir()
    for part, count in COUNTS.items():
        numbers.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8).tofile(root / f"{part}_X.bin")
        (np.arange(count) % 10 + 1).astype(np.uint8).tofile(root / f"{part}_y.bin")
    return root


def small(**changes):
    return config_of(data=SMALL, batch_size=16, max_epochs=1, **changes)


class Keeps(Callback):
    def __init__(self):
        self.labels = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.labels.append(batch[1])


def test_they_stand_behind_the_train_split_and_are_nested(stl10):
    splits = load_pixels(small().data)
    assert learned_from(splits, 0.0, 0) is splits.train
    some, all_of_them = (learned_from(splits, fraction, 3) for fraction in (0.4, 1.0))
    assert (len(some), len(all_of_them)) == (30 + 12, 30 + 30)
    assert torch.equal(some.images[:30], splits.train.images)
    assert torch.equal(some.images[30:], splits.unlabeled.images[some.indices[30:]])
    assert set(some.indices[30:].tolist()) < set(all_of_them.indices[30:].tolist())
    assert some.labels[30:].tolist() == [-1] * 12


def test_they_are_learned_from_and_the_probe_leaves_them_out(stl10, tmp_path):
    keeps = Keeps()
    run = trained(tmp_path / "run", small(unlabeled_fraction=1.0), callbacks=[keeps])
    assert [len(labels) for labels in keeps.labels] == [16] * 3, "60 images, in whole batches"
    assert 0 < sum(int((labels == -1).sum()) for labels in keeps.labels) < 48
    assert np.isfinite(run.rows[0]["probe/train_cross_entropy"])
    few = Keeps()
    trained(tmp_path / "few", small(), callbacks=[few])
    assert [len(labels) for labels in few.labels] == [16]


def test_workers_make_their_views_too(stl10, tmp_path):
    beside = {"num_workers": 1, "distortions": {"place": "workers"}}
    rows = [
        trained(tmp_path / name, small(unlabeled_fraction=0.5, **given)).rows[0]["train/ssl_loss"]
        for name, given in (("here", {}), ("beside", beside))
    ]
    assert rows[0] == rows[1]


def test_they_are_not_there(stl10, tmp_path):
    (stl10 / "unlabeled_X.bin").unlink()
    with pytest.raises(
        DataUnavailable, match=r"without labels are not in the data folder: add .*unlabeled_X\.bin"
    ):
        trained(tmp_path / "run", small(unlabeled_fraction=0.5))
