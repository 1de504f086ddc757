"""`provenance.toml`: what is written comes back, nulls in their places; other files are refused with words."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import ConfigError
from framework.tracking import record

WORK = {"experiment": "quick", "kind": "run", "config_id": "abc"}
KEYS = st.text("ab.c", min_size=1, max_size=3).filter(lambda key: "." not in key)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]):
    path = tmp_path_factory.mktemp("record") / record.FILE
    record.write(path, {"work": WORK, "config": config})
    assert record.read(path) == {"work": WORK, "config": config}


def test_numbers_that_are_none_come_back_too(tmp_path: Path):
    path = tmp_path / record.FILE
    metrics = {"test/mse.inside": float("nan"), "up": float("inf"), "seconds": None, "whole": 3}
    record.write(path, {"work": WORK, "config": {}, "metrics": metrics})
    found = record.read(path)["metrics"]
    assert sorted(map(str, found.items())) == sorted(map(str, metrics.items()))


def test_the_file_is_toml_that_people_can_read(tmp_path: Path):
    path = tmp_path / record.FILE
    record.write(path, {"work": WORK, "config": {"a": None, "b": [1, None]}})
    told = tomllib.loads(path.read_text())
    assert told["provenance"] == record.VERSION
    assert told["nulls"] == ["config.a", "config.b.1"]
    assert told["config"] == {"b": [1]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("provenance = 2\n[work]\n[config]\n", ["provenance", "is 2", "allowed: 1"]),
        ("[work]\n[config]\n", ["provenance", "is missing", "no provenance file"]),
        ("provenance = 1\n", ["work", "config", "cut or edited"]),
        ("provenance = [", ["cannot be read"]),
    ],
)
def test_other_files_are_refused_with_words(tmp_path: Path, text: str, words: list[str]):
    path = tmp_path / "other.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        record.read(path)
    assert all(word in str(caught.value) for word in [*words, str(path)])
    with pytest.raises(ConfigError, match="cannot be read"):
        record.read(tmp_path / "absent.toml")


def test_digests_are_those_of_the_files(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.txt").write_bytes(b"abc")
    (tmp_path / "left").write_bytes(b"")
    # FIPS 180-2, appendix B.1
    assert record.digests_of(tmp_path, ("left",)) == {
        "inner/a.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
