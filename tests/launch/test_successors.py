"""The sweep of what is open: its points are the same pieces of work, by value and by identity."""

import random

import pytest
import yaml

from framework.config import Config
from framework.definition import Definition, checked
from framework.plan import plan
from launch import successors

HEAD = 'name: s\nproject: p\nmethod: grid\ncommand: ["python", "-m", "experiments", "quick"]\n'


class Inner(Config):
    a: int = 0
    b: float = 0.0


class Outer(Config):
    x: int = 0
    y: float = 0.5
    label: str | None = None
    first: Inner = Inner()
    second: Inner = Inner()


GRIDS = [
    "{x: {values: [1, 2, 3]}}",
    "{x: {values: [1, 2, 3]}, y: {value: 2.0}}",
    "{x: {values: [1, 2]}, y: {values: [0.0, 1.5]}, label: {values: [null, '01', 'true']}}",
    "{first: {parameters: {a: {values: [1, 2]}, b: {values: [0.5, 1.0]}}}, x: {values: [1, 2]}}",
    "{first+second: {values: [{first: {a: 1}, second: {a: 2}}, {first: {a: 3}, second: {b: 1.0}}]}}",
    "{first: {values: [{a: 1, b: 0.0}, {a: 2}]}, first+label: {values: [{label: q}, {label: r, first: {}}]}}",
]


def definition(parameters: str) -> Definition:
    return checked(f"{HEAD}run_cap: 1000\nparameters: {parameters}\n")


@pytest.mark.parametrize("parameters", GRIDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_points_are_the_same_work(parameters: str, seed: int):
    whole = definition(parameters)
    points = plan(Outer, whole)
    indices = sorted(random.Random(seed).sample(range(len(points)), random.Random(seed).randint(1, len(points))))
    part = successors.grid_of(whole, [points[index] for index in indices])
    read = checked(part.text())  # as the tracker stores it
    assert [point.config_id for point in plan(Outer, read)] == [points[index].config_id for index in indices]
    assert read.data["name"] == "s"
    assert "run_cap" not in read.data
    assert part.text() == checked(part.text()).text()


def test_what_is_shared_stays_by_itself():
    whole = definition(GRIDS[2])
    part = successors.grid_of(whole, plan(Outer, whole)[:2])
    assert yaml.safe_load(part.text())["parameters"] == {
        "label": {"value": None},
        "x": {"value": 1},
        "y": {"values": [0, 1.5]},
    }
