"""The plan: names from what differs, indices, labels, and what is refused."""

import pytest

from framework.config import Config
from framework.errors import ArtifactError, ConfigError, GridError
from framework.grid import Grid, choice
from framework.manager import Manager, names_of, plan, point_at


class Part(Config):
    seed: int = 0
    width: int = 1


class Study(Config):
    source: Part = Part()
    target: Part = Part()
    rate: float = 0.1


def test_names_are_made_from_what_differs():
    raws = [
        {"source": {"seed": s, "width": 3}, "target": {"seed": t}, "rate": 0.1} for s in (0, 1) for t in (0, 1)
    ]
    assert names_of(raws)[1] == "source.seed=0,target.seed=1"
    assert names_of([{"mapping": {"kind": k}, "n": n} for k in "ab" for n in (1, 2)])[0] == "mapping=a,n=1"
    assert names_of([{"a": {"width": 1}}, {"a": {"width": 2}}]) == ["width=1", "width=2"]
    assert names_of([{"rate": 1}]) == ["only"]


def test_keys_that_some_points_lack_are_named():
    assert names_of([{"kind": "linear"}, {"kind": "mlp", "hidden": [8]}]) == ["kind=linear", "kind=mlp,hidden=[8]"]


def test_long_values_are_cut():
    assert len(names_of([{"a": "x" * 100}, {"a": "y"}])[0]) < 40


def test_plan_validates_names_and_numbers_every_point():
    definition = Grid(Study, choice("source.seed", [0, 1]), choice("rate", [0.1, 1.0])).definition("batch", "x")
    points = plan(Study, definition)
    assert [point.label for point in points] == [f"batch_config{i}" for i in range(4)]
    assert len({point.config_id for point in points}) == len({point.name for point in points}) == 4
    assert point_at(points, 3).config == Study(source=Part(seed=1), rate=1.0)
    with pytest.raises(GridError, match="allowed: 0 to 3"):
        point_at(points, 4)


def test_one_invalid_point_of_many_stops_the_plan():
    definition = Grid(Study, choice("rate", [0.1, 0.2, "fast"])).definition("batch", "x")
    with pytest.raises(ConfigError, match=r"rate: is 'fast' .* \(point 2\)"):
        plan(Study, definition)


def test_three_hundred_points_are_three_hundred():
    assert len(plan(Study, Grid(Study, choice("source.seed", range(300))).definition("b", "x"))) == 300


def test_a_manager_that_makes_nothing_says_so():
    with pytest.raises(ArtifactError, match="cannot make a 'model'"):
        Manager[Study]().make("model", Study(), None)  # type: ignore[arg-type]
