"""The plan: names from what differs, indices, labels, and what is refused."""

import pytest
from pydantic import field_validator

from framework.config import Config, Seed, no_effect, stands_by_fields
from framework.definition import read
from framework.errors import ConfigError, GridError
from framework.grid import Grid, choice
from framework.plan import RUN, Work, difference, names_of, plan, point_at, required, typed_points


class Part(Config):
    seed: int = 0
    width: int = 1


class Study(Config):
    source: Part = Part()
    target: Part = Part()
    rate: float = 0.1
    label: str | None = None
    device: str = no_effect("cpu", description="Where it runs.")


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


def test_texts_that_look_like_something_else_are_quoted():
    names = names_of([{"label": value} for value in (None, "null", True, "true", 1, "1", "1e-3", "one")])
    assert names == [
        "label=null", 'label="null"', "label=true", 'label="true"',
        "label=1", 'label="1"', 'label="1e-3"', "label=one",
    ]  # fmt: skip


def test_long_values_are_cut():
    assert len(names_of([{"a": "x" * 100}, {"a": "y"}])[0]) < 40


def test_a_name_controls_no_terminal_and_every_server_takes_it():
    names = names_of([{"a": "\0"}, {"a": "\x1b[2J"}, {"a\n": "x"}, {"a": "\ud800"}, {"a": "ä 字"}])
    assert all(name.isprintable() for name in names)
    assert names[-1] == "a=ä 字"


def test_plan_validates_names_and_numbers_every_point():
    definition = Grid(Study, choice("source.seed", [0, 1]), choice("rate", [0.1, 1.0])).definition("batch", "x")
    points = plan(Study, definition)
    assert [point.label for point in points] == [f"batch_config{i}" for i in range(4)]
    assert len({point.config_id for point in points}) == len({point.name for point in points}) == 4
    assert point_at(points, 3).config == Study(source=Part(seed=1), rate=1.0)
    with pytest.raises(GridError, match="allowed: 0 to 3"):
        point_at(points, 4)


def test_points_that_share_values_are_what_each_is_by_itself():
    parts = [{"seed": seed} for seed in range(3)]
    raws = [
        {"source": part, "rate": rate, **more}
        for part in parts for rate in (0.1, 1, 0.5) for more in ({}, {"source": {"seed": 7}})
    ]  # fmt: skip
    for raw, typed in zip(raws, typed_points(Study, raws), strict=True):
        alone = Study.parse(raw)
        assert typed == alone
        assert typed.model_fields_set == alone.model_fields_set
        assert (typed.config_id, typed.canonical_text) == (alone.config_id, alone.canonical_text)


def test_zero_and_false_are_not_taken_for_each_other():
    class Either(Config):
        value: int | bool = 0

    values = [typed.value for typed in typed_points(Either, [{"value": v} for v in (0, False, 1, True, 0)])]
    assert list(map(repr, values)) == ["0", "False", "1", "True", "0"]


def test_a_config_whose_fields_look_at_each_other_is_validated_whole():
    class Looks(Config):
        low: int = 0
        high: int = 1

        @field_validator("high")
        @classmethod
        def _above(cls, value: int, info):
            if value <= info.data["low"]:
                raise ValueError("must be above low")
            return value

    assert not stands_by_fields(Looks)
    assert stands_by_fields(Study)
    shared = [{"low": low, "high": high} for low in (0, 5) for high in (1, 6)]
    with pytest.raises(ConfigError, match=r"must be above low \(point 2\)"):
        typed_points(Looks, shared)


def test_one_invalid_point_of_many_stops_the_plan():
    definition = Grid(Study, choice("rate", [0.1, 0.2, "fast"])).definition("batch", "x")
    with pytest.raises(ConfigError, match=r"rate: is 'fast' .* \(point 2\)"):
        plan(Study, definition)


def test_three_hundred_points_are_three_hundred():
    assert len(plan(Study, Grid(Study, choice("source.seed", range(300))).definition("b", "x"))) == 300


def grid(parameters: str) -> str:
    return f"method: grid\nname: b\nparameters: {parameters}\n"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("{rate: {values: [0.1, 0.2, 0.1]}}", "point 2: is the same work as point 0 .*listed twice"),
        ("{rate: {values: [1, 1.0]}}", "point 1: is the same work as point 0 .*listed twice"),
        (
            "{device: {values: [cpu, cuda]}, rate: {values: [1, 2]}}",
            "point 2: .* point 0 .*differ only in device, which changes nothing",
        ),
        (
            "{label: {values: [a, null]}, source: {values: [{seed: 0}, {width: 1}]}}",
            "point 1: .* point 0 .*differ only in source.width, which changes nothing",
        ),
    ],
)
def test_points_that_are_the_same_work_are_refused_in_words(parameters: str, told: str):
    with pytest.raises(GridError, match=told):
        plan(Study, read(grid(parameters)))


def test_many_repeated_points_are_told_shortly():
    with pytest.raises(GridError) as caught:
        plan(Study, read(grid(f"{{rate: {{values: {[0.5] * 100}}}}}")))
    assert len(str(caught.value).splitlines()) == 12
    assert "and 89 more points" in str(caught.value)


def test_what_is_required_comes_with_what_it_requires_first():
    def requires(kind: str, config: Config) -> list[Work]:
        assert isinstance(config, Part)
        if kind == RUN:
            return [Work("latents", config), Work("model", config)]
        return [Work("model", config)] if kind == "latents" else []

    wanted = [Work(RUN, Part(seed=seed)) for seed in (0, 1, 0)]
    order = [(work.kind, work.config.seed) for work in required(requires, wanted)]  # type: ignore[attr-defined]
    assert order == [("model", 0), ("model", 1), ("latents", 0), ("latents", 1)]


def test_what_is_required_comes_by_depth():
    """As a slow twin finds it, level by level: what is left once all that it requires is there."""
    needs = {RUN: ["d", "a"], "d": ["c", "a"], "c": ["b"], "b": [], "a": []}

    def requires(kind: str, config: Config) -> list[Work]:
        return [Work(need, config) for need in needs[kind]]

    wanted = [Work(RUN, Part(seed=seed)) for seed in (0, 1)]
    order = [(work.kind, work.config.seed) for work in required(requires, wanted)]  # type: ignore[attr-defined]
    there: list[tuple[str, int]] = []
    while len(there) < len(order):
        left = [work for work in order if work not in there]
        there += [(kind, seed) for kind, seed in left if {(need, seed) for need in needs[kind]} <= set(there)]
    assert order == there
    assert order == [(kind, seed) for kinds in ("ba", "c", "d") for seed in (0, 1) for kind in kinds]


def test_what_requires_itself_is_refused():
    with pytest.raises(GridError, match=r"requires itself: b-.* → a-.* → b-"):
        required(lambda kind, config: [Work({RUN: "b", "b": "a", "a": "b"}[kind], config)], [Work(RUN, Part())])


def test_the_difference_of_two_plans():
    told = difference(["a", "b", "c"], ["b", "c", "d", "e"])
    assert (told.new, told.unchanged, told.gone) == ({"d", "e"}, {"b", "c"}, {"a"})
    assert str(told) == "2 new, 2 unchanged, 1 gone"
    assert not told.is_none
    assert difference("ab", "ba").is_none


def test_points_without_an_identity_are_refused_by_their_key():
    class Drawn(Config):
        seed: Seed = 0
        size: int = 0

    with pytest.raises(ConfigError) as caught:
        typed_points(Drawn, [{"seed": 1}, {"seed": 2**60}, {"seed": 2**60, "size": 2**54}], "sweep.yaml")
    said = "is an integer beyond ±2^53, which W&B cannot carry exactly: take a smaller one, or a string"
    assert [str(problem) for problem in caught.value.problems] == [
        f"seed: has no identity: {2**60} {said} (point 1 and 1 more)",
        f"size: has no identity: {2**54} {said} (point 2)",
    ]


@pytest.mark.parametrize("length", [1, 55, 56, 57, 300])
def test_the_label_of_a_point_is_a_tag_however_long_the_name_of_its_sweep(length):
    class Labelled(Config):
        x: int = 0

    definition = read(f"name: {'n' * length}\nmethod: grid\nparameters: {{x: {{values: [0, 1]}}}}")
    labels = [point.label for point in plan(Labelled, definition)]
    assert all(len(label) <= 64 for label in labels)
    assert len(set(labels)) == 2
    assert labels[1].startswith("n" * min(length, 56))
    assert labels[1].endswith("n_config1")
