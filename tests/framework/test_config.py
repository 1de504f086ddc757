"""Config: refusals in the user's words, identity, and how values are typed."""

import json
import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from framework.config import Config, Seed, added, canonical, canonical_json, no_effect, replicate
from framework.errors import ConfigError, InvalidInput, Problem


class Linear(Config):
    kind: Literal["linear"] = "linear"
    ridge: float = 0.0


class Mlp(Config):
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (8,)


class Model(Config):
    width: int = 4
    depth: int = 2


class Study(Config):
    batch_size: int = 64
    learning_rate: float = 1e-3
    label: str | None = None
    either: int | str = 1
    sizes: tuple[tuple[int, ...], ...] = ()
    mapping: Annotated[Linear | Mlp, Field(discriminator="kind")] = Linear(ridge=0.5)
    model: Model = Model(width=16)
    seed: int = replicate(0, description="a seed")
    device: str = no_effect("cpu", description="where")


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Study.parse(data, "study.toml")
    assert "study.toml" in str(caught.value)
    return [str(problem) for problem in caught.value.problems]


def test_unknown_key_names_the_nearest():
    assert problems({"batch": 32}) == ["batch: unknown key; did you mean `batch_size`?"]
    assert problems({"mapping": {"kind": "linear", "rdge": 1}}) == [
        "mapping.rdge: unknown key; did you mean `ridge`?"
    ]
    assert "known: batch_size, device" in problems({"zzz": 1})[0]


def test_wrong_type_names_field_value_and_what_is_allowed():
    assert problems({"batch_size": "16"}) == ["batch_size: is '16' (str); allowed: an integer"]
    assert problems({"batch_size": True}) == ["batch_size: is True (bool); allowed: an integer"]
    assert problems({"either": 1.5}) == ["either: is 1.5 (float); allowed: an integer or a string"]
    assert problems({"sizes": [[1.5]]}) == ["sizes.0.0: is 1.5 (float); allowed: an integer"]
    assert problems({"mapping": {"kind": "spline"}}) == ["mapping.kind: is 'spline'; allowed: 'linear', 'mlp'"]


def test_all_errors_come_together():
    found = problems({"batch": 1, "learning_rate": "fast", "model": {"widht": 3, "depth": None}})
    assert len(found) == 4


def test_nan_and_infinity_are_refused():
    assert "finite" in problems({"learning_rate": float("nan")})[0]
    assert "finite" in problems({"learning_rate": float("inf")})[0]


def test_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Study().batch_size = 3  # type: ignore[misc]


def test_a_partial_section_keeps_the_rest_of_the_fields_own_default():
    assert Study.parse({"model": {"depth": 7}}).model == Model(width=16, depth=7)
    assert Study.parse({"mapping": {"kind": "linear"}}).mapping == Linear(ridge=0.5)
    assert Study.parse({"mapping": {"ridge": 2}}).mapping == Linear(ridge=2.0)


def test_another_branch_takes_nothing_from_the_default_branch():
    assert Study.parse({"mapping": {"kind": "mlp"}}).mapping == Mlp()


def test_values_are_typed_as_the_fields_say():
    study = Study.parse({"learning_rate": "1e-3", "either": "1e-3", "label": "007", "sizes": [[1, 2], [3]]})
    assert study.learning_rate == 1e-3
    assert study.either == "1e-3"
    assert study.label == "007"
    assert study.sizes == ((1, 2), (3,))
    assert isinstance(Study.parse({"learning_rate": 1}).learning_rate, float)


def test_identity_ignores_key_order_and_number_form():
    one = Study.parse({"batch_size": 8, "learning_rate": 1, "mapping": {"kind": "linear", "ridge": 0}})
    other = Study.parse({"mapping": {"ridge": 0.0, "kind": "linear"}, "learning_rate": 1.0, "batch_size": 8})
    assert one.config_id == other.config_id


def test_identity_leaves_out_what_cannot_change_a_result():
    assert Study().config_id == Study(device="cuda").config_id
    assert Study().config_id != Study(seed=1).config_id
    assert Study().config_id != Study(model=Model(width=17)).config_id


class Later(Study):
    """`Study`, and fields that were added to it."""

    share: float = added(1.0, description="A number.")
    zoom: int | None = added(None, description="None.")
    extra: Model = added(Model(), description="A section.")
    names: tuple[str, ...] = added(("a",), description="A list.")


@pytest.mark.parametrize(
    "given", [{}, {"share": 1}, {"zoom": None, "names": ["a"]}, {"extra": {}, "share": 1.0}, {"batch_size": 3}]
)
def test_an_added_field_at_its_default_leaves_the_identity_as_it_was(given: dict[str, Any]):
    later, before = Later.parse(given), Study.parse({k: v for k, v in given.items() if k == "batch_size"})
    assert later.canonical_text == before.canonical_text
    assert canonical(later) == canonical(before)
    assert later.config_id == before.config_id


@pytest.mark.parametrize(
    "given", [{"share": 0.5}, {"zoom": 1}, {"extra": {"width": 3}}, {"names": []}, {"share": 0.5, "zoom": 0}]
)
def test_an_added_field_that_is_changed_is_part_of_the_identity(given: dict[str, Any]):
    later = Later.parse(given)
    assert later.config_id != Study().config_id
    assert set(json.loads(later.canonical_text)) == {*json.loads(Study().canonical_text), *given}
    assert later.canonical_text == canonical_json(canonical(later))
    assert Later.parse(json.loads(later.canonical_text)) == later


def test_a_changed_copy_has_an_identity_of_its_own():
    study = Study()
    before = study.config_id
    assert study.model_copy(update={"batch_size": 65}).config_id == Study(batch_size=65).config_id != before
    assert study == Study()  # what was derived does not count for equality


def test_equal_sections_are_typed_each_on_its_own():
    assert Study.parse({"model": {"width": 3}}).model.width == 3
    assert problems({"model": {"width": 3.0}}) == ["model.width: is 3.0 (float); allowed: an integer"]
    assert problems({"model": {"width": True}}) == ["model.width: is True (bool); allowed: an integer"]


def test_identity_is_stable_over_processes_and_hash_seeds():
    code = (
        "from tests.framework.test_config import Study; "
        "print(Study.parse({'mapping': {'kind': 'mlp', 'hidden': [8, 8]}, 'learning_rate': 1e-5}).config_id)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    # A written-down value: an upgrade of Python or pydantic that changed identities would orphan every artifact.
    assert seen == {"f5d7e3161aa8\n"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_canonical_json_is_a_fixed_point_and_keeps_values(value: Any):
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text
    assert canonical(value) == value
    assert text == json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1, object()])
def test_canonical_refuses_what_json_cannot_carry(value: Any):
    with pytest.raises(ValueError):  # noqa: PT011 (each has a message of its own)
        canonical({"a": [value]})


def test_equal_numbers_look_equal():
    assert canonical_json([0, 0.0, -0.0, 1.0, 1e-3]) == "[0,0,0,1,0.001]"


def test_invalid_input_exits_with_2():
    assert ConfigError([]).exit_code == InvalidInput([]).exit_code == 2


class Range(Config):
    low: float = 0.0
    high: float = 1.0

    def conflicts(self):
        if self.low >= self.high:
            yield Problem("low", f"is {self.low:g}; allowed: below high ({self.high:g})")


class Search(Config):
    first: Range = Range()
    named: dict[str, Range] = {}
    listed: tuple[Range, ...] = ()
    other: Range | None = None
    points: int = 10

    def conflicts(self):
        if self.points < 2 * (1 + len(self.listed)):
            yield Problem("points", f"is {self.points}, too few")


WRONG = {"low": 2}
CONFLICTS = [
    ({"first": WRONG}, ["first.low"]),
    ({"other": {"low": 1, "high": 1}}, ["other.low"]),
    ({"listed": [{}, WRONG]}, ["listed.1.low"]),
    ({"named": {"a": {}, "b": WRONG}}, ["named.b.low"]),
    (
        {"first": WRONG, "other": WRONG, "listed": [WRONG, {}], "named": {"x": WRONG}, "points": 1},
        ["first.low", "named.x.low", "listed.0.low", "other.low", "points"],
    ),
]


@pytest.mark.parametrize(("data", "keys"), CONFLICTS)
def test_what_contradicts_itself_in_any_section_is_told_with_the_rest(data: dict[str, Any], keys: list[str]):
    with pytest.raises(ConfigError) as caught:
        Search.parse(data)
    assert [problem.key for problem in caught.value.problems] == keys
    assert [problem.key for problem in Search.typed(data).contradictions] == keys
    with pytest.raises(ValidationError):
        Search(**data)


def test_conflicts_wait_for_values_that_are_right_by_themselves():
    with pytest.raises(ConfigError) as caught:
        Search.parse({"first": WRONG, "points": "many"})
    assert [problem.key for problem in caught.value.problems] == ["points"]


def test_a_section_that_contradicted_itself_once_is_refused_again():
    for _ in range(2):
        assert Search.typed({"first": WRONG}).contradictions
        with pytest.raises(ValidationError, match="low: is 2; allowed: below high"):
            Search(first=WRONG)
        with pytest.raises(ValidationError, match="low: is 2"):
            Range(low=2)


def test_a_copy_finds_its_own_contradictions():
    right = Range()
    assert right.contradictions == ()
    assert [problem.key for problem in right.model_copy(update={"low": 5.0}).contradictions] == ["low"]
    assert Search(first=right) == Search()


@pytest.mark.parametrize(
    ("text", "expected"), [("1e3", 1000), ("1E+2", 100), ("1.5e1", 15), ("10e-1", 1), ("2e15", 2 * 10**15)]
)
def test_a_whole_number_with_an_exponent_is_an_integer_where_one_is_wanted(text: str, expected: int):
    found = Study.parse({"batch_size": text, "sizes": [[text]]})
    assert (found.batch_size, found.sizes) == (expected, ((expected,),))
    assert type(found.batch_size) is int
    assert Study.parse({"either": text, "label": text}).either == text


@pytest.mark.parametrize("text", ["1e-3", "1.5e0", "1e", "e3", "1e3 ", "0x1e3", "1000.0"])
def test_what_is_no_integer_is_still_refused(text: str):
    assert problems({"batch_size": text}) == [f"batch_size: is {text!r} (str); allowed: an integer"]


class Drawn(Config):
    seed: Seed = replicate(0, description="a seed")
    kept: int = 0


class Whole(Config):
    first: Drawn = Drawn()
    more: tuple[Drawn, ...] = ()


@pytest.mark.parametrize("seed", [0, -1, -(2**63), 2**64 - 1])
def test_a_seed_is_whatever_torch_takes(seed):
    assert Drawn.parse({"seed": seed}).seed == seed


@pytest.mark.parametrize(
    ("seed", "says"),
    [
        (2**70, "seed: is 1180591620717411303424 (int); allowed: less than 18446744073709551616"),
        (
            -(2**63) - 1,
            "seed: is -9223372036854775809 (int); allowed: greater than or equal to -9223372036854775808",
        ),
        (1.5, "seed: is 1.5 (float); allowed: an integer"),
        ("a", "seed: is 'a' (str); allowed: an integer"),
        (True, "seed: is True (bool); allowed: an integer"),
    ],
)
def test_what_is_no_seed_is_told_with_what_is_allowed(seed, says):
    with pytest.raises(ConfigError) as caught:
        Drawn.parse({"seed": seed})
    assert [str(problem) for problem in caught.value.problems] == [says]


def test_the_type_of_a_seed_changes_no_identity():
    class Plain(Config):
        seed: int = 0
        kept: int = 0

    assert Plain(seed=3).config_id == Drawn(seed=3).config_id


@pytest.mark.parametrize("field", ["seed", "kept"])
def test_a_number_that_no_identity_can_hold_is_told_by_its_key(field):
    for data, key in (
        ({"first": {field: 2**60}}, f"first.{field}"),
        ({"more": [{field: 2**60}]}, f"more.{field}"),
    ):
        config = Whole.parse(data)
        with pytest.raises(ConfigError, match=rf"{key}: has no identity: {2**60} is an integer beyond ±2\^53"):
            _ = config.config_id
