"""A digest tells whether a figure would come out as it did: by its data, its code, and what that stands on."""

import enum
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from framework.config import Config
from framework.report import digest
from framework.report.digest import Later, digest_of, with_loaded


class Size(NamedTuple):
    width: int
    height: int


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


class Setting(Config):
    x: int = 1


@dataclass(frozen=True)
class Looks:
    names: list[str]
    frame: pd.DataFrame


def frame(**columns):
    return pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]} | columns)


def draw(*arguments, **options):
    return arguments, options


def other(*arguments, **options):
    return arguments, options


def closed_over(value):
    def inner():
        return value

    return inner


def with_default(value):
    def inner(given=value, *, named=value):
        return given, named

    return inner


VALUES = [
    None, True, False, 0, 1, 1.0, -0.5, 1j, "1", "", b"1", Path("1"), Mode.FAST, Mode.SLOW,
    (), [], {}, (1, 2), [1, 2], (2, 1), (1, (2,)), {"a": 1}, {"a": 2}, {"b": 1}, {1, 2}, {1, 3},
    Size(1, 2), Size(2, 1), Setting(), Setting(x=2),
    np.float64(2.5), np.arange(4), np.arange(4.0), np.arange(4).reshape(2, 2), np.array(["a", None], dtype=object),
    frame(), frame(a=[1.0, 3.0]), frame(b=["x", "z"]), frame().rename(columns={"a": "c"}), frame()[["b", "a"]],
    frame(a=[1, 2]), frame().iloc[::-1], frame(a=[[1], [2]]), frame(a=[[1], [3]]),
    frame(b=pd.Categorical(["x", "y"])), frame()["a"], frame(a=[float("nan"), 2.0]),
    Looks(["a"], frame()), Looks(["b"], frame()), Looks(["a"], frame(a=[0.0, 0.0])),
    draw, other, Looks, partial(draw), partial(draw, 1), partial(draw, x=1), partial(other, 1),
    closed_over(1), closed_over(frame()), with_default(1), with_default(2), lambda: 1, lambda: 2,
    Later(draw, lambda: "one"), Later(draw, lambda: "two"),
]  # fmt: skip


def test_different_values_have_different_digests_and_equal_ones_the_same():
    digests = [digest_of(value) for value in VALUES]
    assert None not in digests
    assert len(set(digests)) == len(VALUES)
    assert [digest_of(value) for value in VALUES] == digests
    assert digest_of(partial(draw, frame(), x=(1, Looks(["a"], frame())))) == digest_of(
        partial(draw, frame(), x=(1, Looks(["a"], frame())))
    )


class Opaque:
    pass


@pytest.mark.parametrize(
    "value", [Opaque(), partial(draw, Opaque()), closed_over(Opaque()), [iter(())], draw.__call__, len]
)
def test_what_has_no_digest_says_so(value):
    assert digest_of(value) is None
    assert digest_of(1, value) is None


def test_a_change_of_the_code_or_of_a_version_is_another_digest(monkeypatch):
    before = digest_of(partial(draw, 1))
    monkeypatch.setattr(digest, "code_digest", lambda modules: "changed" if __name__ in modules else "same")
    assert digest_of(partial(draw, 1)) != before
    monkeypatch.undo()
    assert digest_of(partial(draw, 1)) == before
    monkeypatch.setattr(digest, "versions", lambda: ("matplotlib 0.1",))
    assert digest_of(partial(draw, 1)) != before


def test_the_versions_are_of_what_draws():
    told = digest.versions()
    assert any(text.startswith("matplotlib 3") for text in told)
    assert any(text.startswith("python 3") for text in told)
    assert {text.split()[0] for text in told} >= {"numpy", "pandas", "scikit-learn"}


def test_data_that_cost_time_are_not_loaded_for_their_digest():
    loaded = []

    def load():
        loaded.append(1)
        return frame()

    figure = partial(with_loaded, draw, Later(load, lambda: "one"), "name")
    assert digest_of(figure) == digest_of(partial(with_loaded, draw, Later(load, lambda: "one"), "name"))
    assert digest_of(figure) != digest_of(partial(with_loaded, other, Later(load, lambda: "one"), "name"))
    assert not loaded
    (data, name), _ = figure()
    assert data.equals(frame())
    assert (name, loaded) == ("name", [1])
