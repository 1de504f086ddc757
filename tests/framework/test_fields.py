"""Looking into a config type."""

from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config
from framework.fields import leaf_fields


class Leaf(Config):
    kind: Literal["leaf"] = "leaf"
    weight: float = 1.0


class Branch(Config):
    kind: Literal["branch"] = "branch"
    inner: "Tree" = Field(default_factory=lambda: Tree())  # noqa: PLW0108


class Tree(Config):
    size: int = 1
    below: Annotated[Leaf | Branch, Field(discriminator="kind")] = Leaf()


Branch.model_rebuild()


def test_a_config_that_holds_itself_is_gone_into_once_more():
    found = [name for name, _ in leaf_fields(Tree)]
    assert found[:4] == ["size", "below.kind", "below.weight", "below.kind"]
    assert "below.inner.size" in found
    assert "below.inner.below.inner.size" in found
    assert max(name.count("inner") for name in found) == 2


def test_a_config_that_holds_itself_is_parsed_to_any_depth():
    given: dict[str, object] = {"size": 5}
    for _ in range(6):
        given = {"below": {"kind": "branch", "inner": given}}
    tree, depth = Tree.parse(given), 0
    while isinstance(tree.below, Branch):
        tree, depth = tree.below.inner, depth + 1
    assert (depth, tree.size) == (6, 5)
