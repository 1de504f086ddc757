"""Errors of a validation in the user's words, and refusals that come one by one or together."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from framework.config import Config, no_effect
from framework.errors import Problem
from framework.problems import are_told_later, differing, problems_of, refuse, told_together, within


class Short(BaseModel):
    model_config = {"strict": True}

    kind: Literal["short"] = "short"
    length: float = Field(1.0, gt=0)


class Long(BaseModel):
    kind: Literal["long", "longer"] = "long"
    lengths: tuple[Annotated[int, Field(ge=1)], ...] = Field((1,), min_length=1, max_length=2)


class Whole(BaseModel):
    model_config = {"extra": "forbid", "strict": True}

    size: int = 3
    names: tuple[str, ...] = Field(("a", "b"), min_length=2)
    shape: Annotated[Short | Long, Field(discriminator="kind")] = Short()
    way: Literal["none", "fastsim"] = "none"
    parts: tuple[Short, ...] = ()
    needed: bool


def problems(**data: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"needed": True} | data)
    return [str(problem) for problem in problems_of(Whole, caught.value)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"size": "3"}, ["size: is '3' (str); allowed: an integer"]),
        ({"siez": 3}, ["siez: unknown key; did you mean `size`?"]),
        ({"names": ()}, ["names: has 0 items; allowed: 2 or more"]),
        ({"names": ("a",)}, ["names: has 1 item; allowed: 2 or more"]),
        ({"names": ("a", 2)}, ["names.1: is 2 (int); allowed: a string"]),
        ({"shape": {"kind": "long", "lengths": (1, 2, 3)}}, ["shape.lengths: has 3 items; allowed: 2 or fewer"]),
        ({"shape": {"kind": "long", "lengths": (0,)}}, [
            "shape.lengths.0: is 0 (int); allowed: greater than or equal to 1"
        ]),
        ({"shape": {"kind": "short", "length": -1.0}}, ["shape.length: is -1.0 (float); allowed: greater than 0"]),
        ({"shape": {"kind": "broad"}}, ["shape.kind: is 'broad'; allowed: 'short', 'long', 'longer'"]),
        ({"shape": {"kind": "longr"}}, [
            "shape.kind: is 'longr'; allowed: 'short', 'long', 'longer'; did you mean `longer`?"
        ]),
        ({"way": "fastsmi"}, ["way: is 'fastsmi'; allowed: 'none' or 'fastsim'; did you mean `fastsim`?"]),
        ({"way": "zzz"}, ["way: is 'zzz'; allowed: 'none' or 'fastsim'"]),
        ({"shape": {"length": 1.0}}, ["shape.kind: is not given; allowed: 'short', 'long', 'longer'"]),
        ({"shape": None}, ["shape: is None (NoneType); allowed: a mapping of keys"]),
        ({"shape": 7}, ["shape: is 7 (int); allowed: a mapping of keys"]),
        ({"parts": ({"length": 1.0}, {"length": "x" * 80})}, [
            "parts.1.length: is '" + "x" * 56 + "... (str); allowed: a number"
        ]),
    ],
)  # fmt: skip
def test_each_names_the_key_the_value_and_what_is_allowed(data: dict[str, Any], expected: list[str]):
    assert problems(**data) == expected


def test_what_is_missing_is_told_beside_what_is_wrong():
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"size": None})
    found = [str(problem) for problem in problems_of(Whole, caught.value)]
    assert found == [
        "size: is None (NoneType); allowed: an integer",
        "needed: is required and has no default",
    ]


def test_within_puts_keys_into_their_section():
    inner = [Problem("width", "is 0"), Problem("", "contradicts itself")]
    assert list(within("model", inner)) == [Problem("model.width", "is 0"), Problem("model", "contradicts itself")]
    assert list(within("", inner)) == inner


class Place(BaseModel):
    name: str = "here"
    seed: int = 0
    workers: int = no_effect(1, description="how many")


def test_fields_that_differ_are_told_with_both_values():
    assert differing(Place(name="there", seed=2, workers=3), Place()) == "name (there and here), seed (2 and 0)"
    assert differing(Place(workers=3), Place()) == ""


def test_a_section_by_itself_is_refused_with_all_its_problems():
    with pytest.raises(ValueError, match="width: is 0; depth: is 1"):
        refuse([Problem("width", "is 0"), Problem("depth", "is 1")])
    refuse(iter(()))


def test_a_section_within_a_whole_is_not_asked_by_itself():
    class Asked(Config):
        width: int = 0

        def conflicts(self):
            asked.append(self.width)
            yield Problem("width", f"is {self.width}")

    asked: list[int] = []
    with told_together():
        assert are_told_later()
        Asked.model_validate({"width": 3})
    assert asked == []
    with pytest.raises(KeyError), told_together():
        raise KeyError
    assert not are_told_later()
    with pytest.raises(ValueError, match="is 3"):
        Asked.model_validate({"width": 3})
    assert asked == [3]
