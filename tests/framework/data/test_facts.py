"""What is said of the data sets before one is read is what is read; of those that are not here, what is known."""

import os
from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.facts import FACTS, Facts, facts_of, split_problems, train_images
from framework.data.places import TORCHVISION
from framework.errors import ConfigError

# Images of the official train split (digits: all), their shape, and classes, as the sources of the sets have them.
PUBLISHED = {
    "digits": (1797, (1, 8, 8), 10),
    "mnist": (60_000, (1, 28, 28), 10),
    "fashion_mnist": (60_000, (1, 28, 28), 10),
    "cifar10": (50_000, (3, 32, 32), 10),
    "cifar100": (50_000, (3, 32, 32), 100),
    "stl10": (5_000, (3, 96, 96), 10),
    "imagenette": (9_469, (3, 160, 160), 10),
}


def test_every_data_set_has_its_published_figures():
    assert {name: tuple(facts) for name, facts in FACTS.items()} == PUBLISHED
    names = DataConfig.model_fields["name"].annotation.__args__
    assert set(names) == {*FACTS, "folder"}  # of a folder nothing is known before it is looked into
    assert facts_of(DataConfig(name="cifar100")) == Facts(50_000, (3, 32, 32), 100)
    assert facts_of(DataConfig(name="imagenette", image_size=64)) == Facts(9_469, (3, 64, 64), 10)


@pytest.mark.parametrize("fraction", [0.1, 0.07, 1 / 3, 0.123, 0.5, 0.29, 0.0021, 0.997])
@pytest.mark.parametrize("name", sorted(TORCHVISION))
def test_the_train_split_is_what_scikit_learn_leaves_of_the_official_one(name, fraction):
    left, _ = train_test_split(range(PUBLISHED[name][0]), test_size=fraction, random_state=0)
    assert train_images(DataConfig(name=name, val_fraction=fraction)) == len(left)


@pytest.mark.parametrize("val_fraction", [0.1, 0.01, 1 / 3, 0.5, 0.25, 0.977, 0.0077, 0.9923])
@pytest.mark.parametrize("test_fraction", [0.2, 0.5, 0.9, 0.0061])
def test_digits_are_split_as_it_is_said(val_fraction, test_fraction):
    config = DataConfig(val_fraction=val_fraction, test_fraction=test_fraction)
    if list(split_problems(config)):
        with pytest.raises(ConfigError, match=r"data\.(val|test)_fraction"):
            load_splits(config)
        return
    splits = load_splits(config)
    assert len(splits.train) == train_images(config)
    assert (splits.image_shape, splits.num_classes) == (FACTS["digits"].shape, FACTS["digits"].classes)
    assert sum(len(part) for part in (splits.train, splits.val, splits.test)) == FACTS["digits"].images


@pytest.mark.parametrize("name", sorted(TORCHVISION))
def test_official_sets_are_what_is_said(name):
    folder = Path(os.environ.get("SASHIKO_DATA") or "data")
    if not (folder / TORCHVISION[name][1]).exists():
        pytest.skip(f"SASHIKO_DATA holds no {name}")
    config = DataConfig(name=name, val_fraction=0.123)
    splits = load_splits(config)
    assert len(splits.train) == train_images(config)
    assert len(splits.train) + len(splits.val) == FACTS[name].images
    assert (splits.image_shape, splits.num_classes) == (FACTS[name].shape, FACTS[name].classes)


FRACTIONS = [
    ({"val_fraction": 0.001}, ["val_fraction"]),
    ({"val_fraction": 0.999}, ["val_fraction"]),
    ({"test_fraction": 0.001}, ["test_fraction"]),
    ({"test_fraction": 0.998}, ["test_fraction", "val_fraction"]),
    ({"test_fraction": 0.999, "val_fraction": 0.5}, ["test_fraction", "val_fraction"]),
    ({"test_fraction": 0.98, "val_fraction": 0.2}, ["val_fraction"]),
    ({"val_fraction": 0.0062}, ["val_fraction"]),
    ({"val_fraction": 0.0064}, []),
    ({"test_fraction": 0.0055}, []),
]


@pytest.mark.parametrize(("fractions", "keys"), FRACTIONS)
def test_a_fraction_is_refused_where_the_draw_refuses_it(fractions, keys):
    config = DataConfig(**fractions)
    problems = list(split_problems(config))
    assert sorted(problem.key for problem in problems) == keys
    for problem in problems:
        assert f"is {getattr(config, problem.key)}" in problem.message
        assert "allowed: 10 or more" in problem.message
    if not keys:
        load_splits(config)
        return
    with pytest.raises(ConfigError, match=r"data\.(val|test)_fraction"):
        load_splits(config)


def test_the_test_fraction_is_read_of_digits_alone():
    assert not list(split_problems(DataConfig(name="mnist", test_fraction=0.0001)))
    assert train_images(DataConfig(name="mnist", test_fraction=0.9)) == 54_000
    assert [p.key for p in split_problems(DataConfig(name="cifar100", val_fraction=0.001))] == ["val_fraction"]
