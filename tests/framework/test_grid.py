"""Grids against a slow twin that lists the product and filters it, and through YAML."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from framework.config import Config, canonical_json, replicate
from framework.definition import raw_config, read
from framework.errors import ConfigError, GridError
from framework.grid import Axis, Grid, choice, maximize, minimize, replicates, same, zipped
from framework.plan import typed_points


class Linear(Config):
    kind: Literal["linear"] = "linear"
    ridge: float = 0.0


class Mlp(Config):
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (8,)
    ridge: float = 0.0


class Model(Config):
    width: int = 4
    seed: int = replicate(0, description="seed")


class Part(Config):
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Mlp(hidden=(3,))
    model: Model | None = Model()


class Study(Config):
    source: Model = Model()
    target: Model = Model(seed=1)
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Linear()
    maybe: Annotated[Linear | Mlp, Field(discriminator="kind")] | None = None
    part: Part = Part()
    optimizer: str = "adam"
    momentum: float = 0.0
    batch_size: int = 1
    rate: float = 1e-3
    flag: bool = False
    label: str | None = None
    sizes: tuple[int, ...] = ()
    extra: dict[str, Any] = {}
    seed: int = replicate(0, description="seed")


LABELS = ["1e-3", "01", "true", "null", "~", "2024-01-01", "yes"]


def points(grid: Grid) -> list[Study]:
    """Grid → definition → YAML → definition → points."""
    text = grid.definition("study", "stitching").text()
    return typed_points(Study, [raw_config(point) for point in read(text).points()])


def test_a_product_in_a_stable_order():
    grid = Grid(Study, choice("batch_size", [1, 2]), choice("rate", [0.1, 0.2, 0.3]))
    assert [(p.batch_size, p.rate) for p in points(grid)] == list(itertools.product([1, 2], [0.1, 0.2, 0.3]))


def test_coupled_axes_go_together():
    grid = Grid(Study, zipped({"batch_size": [1, 2], "rate": [0.1, 0.2]}), choice("flag", [False, True]))
    assert [(p.batch_size, p.rate, p.flag) for p in points(grid)] == [
        (1, 0.1, False), (1, 0.1, True), (2, 0.2, False), (2, 0.2, True)
    ]  # fmt: skip


def test_an_axis_that_a_branch_does_not_have_makes_no_duplicates():
    grid = Grid(
        Study, choice("mapping.kind", ["linear", "mlp"]), choice("mapping.hidden", [(64,), (128, 128)]),
        choice("mapping.ridge", [0.0, 0.1]),
    )  # fmt: skip
    found = [p.mapping for p in points(grid)]
    assert sorted(map(repr, found)) == sorted(
        map(
            repr,
            [
                Linear(),
                Linear(ridge=0.1),
                *(Mlp(hidden=h, ridge=r) for h in [(64,), (128, 128)] for r in (0, 0.1)),
            ],
        )
    )


def test_when_applies_only_under_its_condition():
    grid = Grid(Study, choice("optimizer", ["adam", "sgd"]), choice("momentum", [0.0, 0.9], {"optimizer": "sgd"}))
    assert [(p.optimizer, p.momentum) for p in points(grid)] == [("adam", 0.0), ("sgd", 0.0), ("sgd", 0.9)]


def test_when_reads_defaults_and_base():
    axis = choice("momentum", [0.5, 0.9], when={"optimizer": ["sgd", "lars"]})
    assert [p.momentum for p in points(Grid(Study, choice("seed", [0]), axis))] == [0.0]
    assert [p.momentum for p in points(Grid(Study, axis, base={"optimizer": "lars"}))] == [0.5, 0.9]


def test_exclude_and_same():
    seeds = [choice("source.seed", [0, 1, 2]), choice("target.seed", [0, 1, 2])]
    grid = Grid(
        Study, *seeds, exclude=[same("source.seed", "target.seed"), {"source.seed": 0, "target.seed": [2]}]
    )
    assert [(p.source.seed, p.target.seed) for p in points(grid)] == [(0, 1), (1, 0), (1, 2), (2, 0), (2, 1)]


def test_axes_of_whole_sections_and_inside_them():
    grid = Grid(Study, choice("source", [{"width": 1}, {"width": 2}]), choice("source.seed", [3, 4]))
    assert [(p.source.width, p.source.seed) for p in points(grid)] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_config_instances_keep_all_their_values():
    grid = Grid(Study, choice("target", [Model(width=9), Model(seed=5)]))
    assert [p.target for p in points(grid)] == [Model(width=9), Model(seed=5)]


def test_list_values_need_no_double_nesting():
    assert [p.sizes for p in points(Grid(Study, choice("sizes", [(8, 8), (16,), ()])))] == [(8, 8), (16,), ()]


def test_replicates_are_checked_against_the_mark():
    assert [p.seed for p in points(Grid(Study, replicates("seed", 3)))] == [0, 1, 2]
    with pytest.raises(GridError, match="is no replicate"):
        Grid(Study, replicates("batch_size", 2))


def test_every_problem_of_a_grid_is_told():
    with pytest.raises(GridError) as caught:
        Grid(Study, choice("sorce.seed", [1]), choice("rate", [float("nan")]), choice("flag", []),
             choice("batch_size", [1]), choice("batch_size", [2]),
             exclude=[same("source.sed", "target.seed")])  # fmt: skip
    text = str(caught.value)
    for part in (
        "did you mean `source`",
        "not a finite number",
        "no values",
        "stands on two axes",
        "`source.sed`",
    ):
        assert part in text
    with pytest.raises(GridError, match="equal lengths, but batch_size has 1, rate has 2"):
        zipped({"batch_size": [1], "rate": [1, 2]})
    with pytest.raises(GridError, match="nothing is left"):
        points(Grid(Study, choice("seed", [1]), exclude=[{"seed": 1}]))


def test_invalid_points_are_told_together_with_their_count():
    grid = Grid(Study, choice("batch_size", [1, "two", 3]), choice("rate", [0.1, 0.2]))
    with pytest.raises(ConfigError) as caught:
        points(grid)
    assert [str(p) for p in caught.value.problems] == [
        "batch_size: is 'two' (str); allowed: an integer (point 2 and 1 more)"
    ]


# --- the property: grid → definition → YAML → points is the identity ---------------------------------------

scalars: Mapping[str, st.SearchStrategy[Any]] = {
    "batch_size": st.integers(-(2**53), 2**53),
    "rate": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 1e-3, 1e-5]),
    "flag": st.booleans(),
    "label": st.none() | st.text(max_size=8) | st.sampled_from(LABELS),
    "sizes": st.lists(st.integers(0, 9), max_size=3).map(tuple),
    "extra": st.dictionaries(
        st.text(min_size=1, max_size=4),
        st.none() | st.booleans() | st.text(max_size=4) | st.lists(st.floats(0, 1), max_size=2),
        max_size=2,
    ),
    "source.width": st.integers(0, 99),
    "target.seed": st.integers(0, 99),
    "seed": st.integers(0, 99),
}  # fmt: skip


@st.composite
def axes(draw: st.DrawFn) -> list[Axis]:
    keys = draw(st.lists(st.sampled_from(sorted(scalars)), min_size=1, max_size=4, unique=True))
    made = []
    while keys:
        width = draw(st.integers(1, min(2, len(keys))))
        chosen, keys = keys[:width], keys[width:]
        rows = draw(st.integers(1, 3))
        made.append(zipped({key: draw(st.lists(scalars[key], min_size=rows, max_size=rows)) for key in chosen}))
    return made


def slow_twin(made: list[Axis]) -> list[str]:
    """Every combination of rows, put into a config by hand; equal ones once."""
    found = set()
    for rows in itertools.product(*(axis.rows for axis in made)):
        data: dict[str, Any] = {}
        for row in rows:
            for key, value in row.items():
                section, _, name = key.rpartition(".")
                if section:
                    data.setdefault(section, {})[name] = value
                else:
                    data[key] = value
        found.add(canonical_json(Study.parse(data).model_dump()))
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(axes())
def test_points_are_the_grid_value_for_value(made: list[Axis]):
    found = points(Grid(Study, *made))
    assert sorted({canonical_json(point.model_dump()) for point in found}) == slow_twin(made)
    for point in found:
        for value, field in ((point.batch_size, int), (point.rate, float), (point.flag, bool)):
            assert type(value) is field


def test_branches_by_name_meet_their_fields_wherever_they_stand():
    axes = [choice("mapping", ["linear", "mlp"]), choice("mapping.hidden", [(8,), (16,)])]
    for order in (axes, axes[::-1]):
        found = {point.mapping for point in points(Grid(Study, *order))}
        assert found == {Linear(), Mlp(hidden=(8,)), Mlp(hidden=(16,))}
    (only,) = points(Grid(Study, base={"mapping.hidden": (5,), "mapping": "mlp"}))
    assert only.mapping == Mlp(hidden=(5,))
    found = points(Grid(Study, choice("maybe.ridge", [1.0, 2.0]), base={"maybe": "linear"}))
    assert [point.maybe for point in found] == [Linear(ridge=1.0), Linear(ridge=2.0)]


def test_branches_by_name_inside_a_section_and_on_the_default_of_one():
    found = points(
        Grid(
            Study, choice("part", [{"mapping": "mlp"}, {"mapping": "linear"}]), choice("part.mapping.ridge", [7.0])
        )
    )
    assert [point.part.mapping for point in found] == [Mlp(hidden=(3,), ridge=7.0), Linear(ridge=7.0)]


def test_branches_by_name_in_conditions():
    grid = Grid(
        Study,
        choice("mapping", ["linear", "mlp"]),
        choice("batch_size", [1, 2], when={"mapping": "mlp"}),
        choice("optimizer", ["adam", "sgd"]),
        exclude=[{"mapping": ["linear"], "optimizer": "sgd"}],
    )
    found = [(point.mapping.kind, point.batch_size, point.optimizer) for point in points(grid)]
    assert sorted(found) == [("linear", 1, "adam"), *(("mlp", n, o) for n in (1, 2) for o in ("adam", "sgd"))]


def test_a_section_that_is_null_has_no_fields():
    grid = Grid(Study, choice("maybe", [None, "linear"]), choice("maybe.ridge", [1.0, 2.0]))
    assert [point.maybe for point in points(grid)] == [None, Linear(ridge=1.0), Linear(ridge=2.0)]
    nested = Grid(Study, choice("part", [{"model": None}, {}]), choice("part.model.width", [5, 6]))
    assert [point.part.model and point.part.model.width for point in points(nested)] == [None, 5, 6]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            [choice("source", [7]), choice("source.seed", [1])],
            "source: is 7 there, and `source.seed` lies inside it",
        ),
        ([choice("source.seed", [1]), choice("source", [{}, "x"])], "source: is 'x' there"),
        (
            [choice("part", [{"model": 3}]), choice("part.model.seed", [1])],
            "part: is 3 there, and `part.model.seed`",
        ),
        (
            [zipped({"maybe": [None], "maybe.ridge": [1.0]})],
            "maybe: is None there, and `maybe.ridge` lies inside it",
        ),
    ],
)
def test_a_value_that_is_no_section_with_keys_inside_it_is_refused(axes: list[Axis], message: str):
    with pytest.raises(GridError) as caught:
        Grid(Study, *axes)
    assert message in str(caught.value)


@pytest.mark.parametrize(("metric", "goal"), [(minimize("a/b"), "minimize"), (maximize("a/b"), "maximize")])
def test_a_metric_stands_in_the_definition_and_changes_no_point(metric, goal):
    axes = (choice("momentum", [0.1, 0.9]), replicates("seed", 2))
    named, plain = Grid(Study, *axes, metric=metric), Grid(Study, *axes)
    definition = read(named.definition("name", "stitching").text())
    assert definition.data["metric"] == {"name": "a/b", "goal": goal}
    assert "metric" not in plain.definition("name", "stitching").data
    assert named.parameters() == plain.parameters()
