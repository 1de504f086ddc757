"""Sweeps whose points the tracker draws (`method: random` and `bayes`): what can be told of them beforehand.

A grid is checked point by point before anything starts. Here a few points of a space are checked for being
configs; each drawn point is checked again by the worker that gets it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from framework.config import Config
from framework.definition import Definition, raw_config
from framework.errors import ConfigError, DefinitionError, Problem
from framework.fields import related

SHARES = (0.5, 0.25, 0.75)
"""Where along all axes at once a point is tried."""


def check(definition: Definition, config: type[Config]) -> None:
    """Find what is wrong with the points of a random or Bayesian sweep before it is made.

    Raises:
        DefinitionError: with every problem of its parameters.
        ConfigError: none of a few points is a valid config, with the problems of the one in the middle; or a
            listed value, or an end of a range, is none of its field.
    """
    space = definition.space()
    if space is None:
        return
    problems = [_problems(config.parse, raw_config(space.at(share))) for share in SHARES]
    if all(problems):
        raise ConfigError(problems[0], f"{definition.where}, the middle of its space")
    # At an edge its own value is looked at alone: what contradicts another value need not do so elsewhere.
    found = [
        problem
        for path, point in space.edges()
        for problem in _problems(config.typed, raw_config(point))
        if related(problem.key, ".".join(path))
    ]
    if found:
        raise ConfigError(list(dict.fromkeys(found)), f"{definition.where}, an edge of its space")


def _problems(read: Callable[[dict[str, Any]], Config], raw: dict[str, Any]) -> Sequence[Problem]:
    try:
        read(raw)
    except ConfigError as error:
        return error.problems
    return ()


def extent(definition: Definition) -> str:
    """How many points the tracker draws, in words."""
    size = definition.size()
    end = "without an end: set run_cap, or stop the sweep" if size is None else f"{size} of them (run_cap)"
    return f"{definition.method}: the tracker draws the points, {end}"


def count(definition: Definition) -> int:
    """How many points the tracker draws.

    Raises:
        DefinitionError: without an end.
    """
    size = definition.size()
    if size is None:
        message = f"is not set: a {definition.method} sweep goes on until it is stopped"
        raise DefinitionError([Problem("run_cap", message)], definition.where)
    return size
