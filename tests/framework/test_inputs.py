"""Data sets that were read: told by digest, and by another one when they have changed."""

from pathlib import Path

import numpy as np
import pytest

from framework import inputs
from framework.data.config import DataConfig
from framework.data.tabular.config import TableConfig
from framework.data.tabular.sources import read_table
from framework.data.vision import _load_splits, load_splits
from framework.errors import DataUnavailable


@pytest.fixture(autouse=True)
def nothing_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inputs, "_read", {})
    monkeypatch.setattr(inputs, "_pinned", {})


def test_equal_data_have_one_digest_and_a_changed_value_another():
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    inputs.note("a", pixels, b"labels")
    inputs.note("b", pixels.copy(), b"labels")
    assert inputs.read()["a"] == inputs.read()["b"]
    pixels[1, 1] += 1
    inputs.note("b", pixels, b"labels")
    assert inputs.read()["a"] != inputs.read()["b"]
    inputs.note("empty", np.empty((0, 3)))
    assert list(inputs.read()) == ["a", "b", "empty"]


def test_reading_a_set_of_images_is_noted():
    _load_splits.cache_clear()
    load_splits(DataConfig())
    first = dict(inputs.read())
    assert list(first) == ["digits"]
    assert len(first["digits"]) == 64
    _load_splits.cache_clear()
    load_splits(DataConfig(split_seed=3))
    assert inputs.read() == first


def test_reading_a_table_is_noted_with_the_digest_of_what_was_read(tmp_path: Path):
    path = tmp_path / "own.csv"
    rows = "".join(f"{number},{number % 7},{'ab'[number % 2]}\n" for number in range(30))
    path.write_text(f"x,y,kind\n{rows}")
    read_table(TableConfig(name=str(path), target="kind"))
    first = inputs.read()[str(path)]
    path.write_text(f"x,y,kind\n{rows}".replace("3,3,b", "3,4,b"))
    read_table(TableConfig(name=str(path), target="kind"))
    assert inputs.read()[str(path)] != first


def test_a_data_set_that_is_pinned_has_to_be_the_same():
    inputs.note("a", b"first")
    inputs.pin({"a": inputs.read()["a"], "never read": "0"})
    inputs.note("a", b"first")
    with pytest.raises(DataUnavailable, match="data set a is another one now"):
        inputs.note("a", b"second")
