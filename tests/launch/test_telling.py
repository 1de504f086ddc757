"""Answers for people and for programs: lengths of time, and a standard output that holds nothing but JSON."""

import json
from dataclasses import dataclass

import pytest
import typer

from launch.telling import answering, lasting, moment, plain


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (7_200, "2 h 00"),
        (7_560, "2 h 06"),
        (172_799, "47 h 59"),
        (176_400, "2 d 1 h"),
    ],
)
def test_lengths_of_time_as_people_say_them(seconds, words):
    assert lasting(seconds) == words


@dataclass(frozen=True)
class Leaf:
    value: float


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    by_name: dict[str, Leaf]
    nothing: None = None


def test_a_tree_of_dataclasses_becomes_json():
    tree = Tree((Leaf(1 / 3), Leaf(2)), {"a": Leaf(5)})
    told = {"leaves": [{"value": 0.3333}, {"value": 2}], "by_name": {"a": {"value": 5}}, "nothing": None}
    assert plain(tree) == told
    assert json.loads(json.dumps(plain(tree))) == told
    assert moment(0) == "1970-01-01T00:00:00+00:00"


def test_with_json_all_else_goes_to_standard_error(capsys: pytest.CaptureFixture[str]):
    with answering(as_json=True) as answer:
        typer.echo("a remark")
        print("another")
        answer(Leaf(1))
        answer({"ü": 2})
    said = capsys.readouterr()
    assert said.out == '{"value": 1}\n{"ü": 2}\n'
    assert said.err == "a remark\nanother\n"


def test_without_json_nothing_is_changed(capsys: pytest.CaptureFixture[str]):
    with answering(as_json=False) as answer:
        typer.echo("told")
        answer(Leaf(1))
    assert capsys.readouterr().out == "told\n"
