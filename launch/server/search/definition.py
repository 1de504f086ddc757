"""A sweep definition read whole: its points or its space, its metric, and when runs are stopped early.

What is wrong with one `framework.definition` says. This module does not know the database.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from framework.definition import Definition, checked
from framework.search.space import Space
from launch.server.search.hyperband import Hyperband
from launch.server.search.metric import Metric


@dataclass(frozen=True)
class Search:
    """A definition and what follows from it. `space` is None for a grid, whose points are listed."""

    definition: Definition
    space: Space | None
    metric: Metric | None
    hyperband: Hyperband | None


@lru_cache(maxsize=64)
def read_search(text: str, where: str = "") -> Search:
    """What the YAML `text` of a sweep stands for. Reading the same text again is free.

    Raises:
        DefinitionError: with every problem found.
    """
    definition = checked(text, where)
    data = definition.data
    return Search(definition, definition.space(), _metric(data.get("metric")), _hyperband(data))


def _metric(metric: Mapping[str, Any] | None) -> Metric | None:
    if metric is None:
        return None
    return Metric(metric["name"], metric.get("goal") == "maximize", metric.get("target"))


def _hyperband(data: Mapping[str, Any]) -> Hyperband | None:
    early = data.get("early_terminate")
    if early is None:
        return None
    return Hyperband(**{key: value for key, value in early.items() if key != "type"})
