"""What weights of another run fit a network over a table, as data. Knows no tensor."""

from collections.abc import Iterator
from typing import Any

from framework.config import Config
from framework.errors import Problem
from framework.tabular.config import Network


def start_problems(start: Any, model: Config) -> Iterator[Problem]:
    """What other weights do not fit: `start` is of the kind from_other, `model` begins with them."""
    for key, one in (("start", model), ("start.model", start.model.model)):
        if not isinstance(one, Network):
            told = f"which has no weights to {'begin with' if key == 'start' else 'take'}; allowed: linear, mlp"
            yield Problem(key, f"has model.kind {getattr(one, 'kind', '')}, {told}")
    for name in ("kind", "hidden"):
        mine, theirs = (getattr(one, name, None) for one in (model, start.model.model))
        if mine != theirs:
            yield Problem(f"start.model.model.{name}", f"is {theirs}, and model.{name} is {mine}: make them equal")
            return
