import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.places import TORCHVISION
from framework.data.vision import STATISTICS
from framework.errors import ConfigError, DataUnavailable

SPLITS = ("train", "val", "test")


def test_digits_have_the_documented_shapes_and_scale():
    splits = load_splits(DataConfig())
    assert splits.image_shape == (1, 8, 8)
    assert splits.num_classes == 10
    assert sum(len(getattr(splits, name)) for name in SPLITS) == 1797
    for name in SPLITS:
        part = getattr(splits, name)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == part.indices.dtype == torch.int64
        assert part.images.min() == 0
        assert part.images.max() == 1


def test_digits_splits_are_disjoint_and_cover_everything():
    splits = load_splits(DataConfig())
    drawn = torch.cat([getattr(splits, name).indices for name in SPLITS])
    assert sorted(drawn.tolist()) == list(range(1797))


def test_indices_point_at_the_very_images_and_labels():
    digits = load_digits()
    for name in SPLITS:
        part = getattr(load_splits(DataConfig()), name)
        np.testing.assert_array_equal(part.labels, digits.target[part.indices])
        np.testing.assert_allclose(part.images[:, 0] * 16, digits.images[part.indices])


def test_splits_are_stratified():
    splits = load_splits(DataConfig())
    shares = [
        np.bincount(getattr(splits, name).labels, minlength=10) / len(getattr(splits, name)) for name in SPLITS
    ]
    assert np.ptp(shares, axis=0).max() < 0.01


def test_the_fractions_set_the_sizes():
    splits = load_splits(DataConfig(test_fraction=0.5, val_fraction=0.25))
    assert abs(len(splits.test) - 1797 * 0.5) <= 1
    assert abs(len(splits.val) - 1797 * 0.5 * 0.25) <= 1


def test_the_seed_decides_the_draw_and_the_cache_shares_it():
    first, again, other = (load_splits(DataConfig(split_seed=seed)) for seed in (0, 0, 1))
    assert first is again
    assert not torch.equal(first.val.indices, other.val.indices)


def test_a_fraction_that_empties_a_split_names_its_key():
    with pytest.raises(ConfigError, match=r"data\.val_fraction: is 0\.001"):
        load_splits(DataConfig(val_fraction=0.001))


def test_standard_images_have_mean_0_and_std_1_and_come_back():
    unit, standard = load_splits(DataConfig()), load_splits(DataConfig(normalise="standard"))
    assert abs(float(standard.train.images.mean())) < 1e-5
    assert abs(float(standard.train.images.std()) - 1) < 1e-3
    torch.testing.assert_close(standard.unit(standard.val.images), unit.val.images, atol=1e-6, rtol=0)
    torch.testing.assert_close(standard.pixel_scale, standard.std)
    assert unit.pixel_scale.tolist() == [1.0]


def test_the_statistics_of_digits_are_those_of_the_train_split():
    splits = load_splits(DataConfig())
    torch.testing.assert_close(splits.mean[0], splits.train.images.mean())
    torch.testing.assert_close(splits.std[0], splits.train.images.std(unbiased=False))


def test_missing_data_says_where_it_was_looked_for_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    monkeypatch.delenv("SASHIKO_DOWNLOAD", raising=False)
    for name in TORCHVISION:
        with pytest.raises(DataUnavailable) as caught:
            load_splits(DataConfig(name=name))
        for part in (name, str(tmp_path), TORCHVISION[name][1], "SASHIKO_DATA", "data.download=true"):
            assert part in str(caught.value)


def test_a_download_that_fails_is_reported_as_one(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.FashionMNIST.download", refuse)
    with pytest.raises(DataUnavailable, match="could not be downloaded into it: no network"):
        load_splits(DataConfig(name="fashion_mnist", download=True))


@pytest.mark.parametrize("name", sorted(TORCHVISION))
def test_official_sets(name):
    folder = Path(os.environ.get("SASHIKO_DATA") or "data")
    if not (folder / TORCHVISION[name][1]).exists():
        pytest.skip(f"SASHIKO_DATA holds no {name}")
    splits = load_splits(DataConfig(name=name))
    train, test = (60_000, 10_000) if "mnist" in name else (50_000, 10_000)
    assert (len(splits.train) + len(splits.val), len(splits.test)) == (train, test)
    assert splits.image_shape == ((1, 28, 28) if "mnist" in name else (3, 32, 32))
    drawn = torch.cat([splits.train.indices, splits.val.indices])
    assert sorted(drawn.tolist()) == list(range(train))
    pixels = torch.cat([splits.train.images, splits.val.images]).double()
    mean, std = STATISTICS[name]
    np.testing.assert_allclose(pixels.mean(dim=(0, 2, 3)), mean, atol=2e-4)
    # The customary numbers of CIFAR-10 are means over images of the deviation within each.
    within = pixels.std(dim=(2, 3)).mean(dim=0) if name == "cifar10" else pixels.std(dim=(0, 2, 3))
    np.testing.assert_allclose(within, std, atol=3e-4)


def test_the_config_needs_no_torch():
    code = "import framework.data, framework.data.config, sys; print('torch' in sys.modules)"
    assert re.search("False", _python(code))


def _python(code):
    import subprocess

    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
