"""YAML as it is read here: keys that stand twice, beside merges too, and dates that are none."""

import pytest
import yaml

from framework.dialect import load


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: 1\na: 2\n", "a"),
        ("x:\n  <<: {a: 1}\n  b: 2\n  b: 3\n", "b"),
        ("x:\n  b: 2\n  <<: {a: 1}\n  b: 3\n", "b"),
        ("base: &base {a: 1}\nx: {<<: *base, b: 1, c: 2, b: 1}\n", "b"),
        ("x: {<<: {a: 1, a: 2}}\n", "a"),
        ("x: {<<: [{a: 1}, {b: 1, b: 2}]}\n", "b"),
        ("x: {<<: {a: 1}, <<: {b: 2}}\n", "<<"),
        ("- {<<: {a: 1}, list: [{deep: 1, deep: 2}]}\n", "deep"),
        ("{1: a, 1.0: b}\n", "1.0"),
    ],
)
def test_a_key_that_stands_twice_is_refused_beside_a_merge_too(text: str, key: str):
    with pytest.raises(yaml.YAMLError, match=rf"the key `{key}` stands twice"):
        load(text)


def test_what_a_merge_brings_may_be_overridden_once():
    data = load("base: &base {a: 1, b: {x: 1}}\nmade: &made {<<: *base, a: 2}\nlast: {<<: [*made], c: 3}\n")
    assert data["made"] == {"a": 2, "b": {"x": 1}}
    assert set(data["last"]) == {"a", "b", "c"}


@pytest.mark.parametrize("text", ["a: 2024-13-01", "? [1]\n: 2", "a: &a [*a]", "a: {<<: 3}"])
def test_what_yaml_cannot_hold_is_a_yaml_error(text: str):
    with pytest.raises(yaml.YAMLError):
        load(text)


def test_aliases_of_aliases_make_no_text_larger_than_memory():
    text = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for name, before in zip("bcdefghijk", "abcdefghij", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    with pytest.raises(yaml.YAMLError, match="its aliases make more than 5,000,000 values"):
        load(text)
    assert load("a: &a [1, 2]\nb: [*a, *a]")["b"] == [[1, 2], [1, 2]]
