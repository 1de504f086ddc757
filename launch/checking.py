"""What is wrong with a sweep file and its points, found before anything is made of it."""

from collections.abc import Sequence
from typing import Any

from experiments import manager_of
from framework.definition import Definition
from framework.errors import ConfigError, InvalidInput, Problem
from framework.manager import Manager
from framework.plan import Point, plan
from framework.search.carried import name_problem
from framework.tracking import sweeps
from framework.tracking.sweeps import SweepPath
from framework.tracking.tracker import Tracker
from launch import drawn
from launch.team import Team, must_share
from launch.together import set_most


def planned(definition: Definition, manager: Manager[Any]) -> list[Point]:
    """The points of a grid. Of a sweep whose points are drawn there are none yet, and a few are tried.

    Raises:
        InvalidInput: with the problems of all points.
    """
    if definition.is_grid:
        return plan(manager.config, definition)
    drawn.check(definition, manager.config)
    return []


def check_name(project: str) -> None:
    """Let pass what a project can be called, or nothing.

    Raises:
        ConfigError: it cannot be called so.
    """
    message = name_problem(project) if project else None
    if message is not None:
        raise ConfigError([Problem("--project", message)], "sweep")


def check_sharing(tracker: Tracker, path: SweepPath, team: Team, together: int | None) -> None:
    """Let pass a sweep whose runs a team can share, and whose points can be worked so many at once.

    Raises:
        ConfigError: its experiment cannot do so.
    """
    if team.size == 1 and (together or 1) == 1:
        set_most(None, None, "")
        return
    experiment = sweeps.find(tracker, path).definition.experiment
    manager = manager_of(experiment)
    must_share(manager, experiment, team)
    set_most(together, manager, experiment)


def check(manager: Manager[Any], points: Sequence[Point], where: str) -> None:
    """Ask the Manager about what the points name in the world, such as files.

    Raises:
        InvalidInput: with the problems of all points; equal ones are told once, with the first point and a count.
    """
    found: dict[Problem, list[int]] = {}
    for point in points:
        try:
            manager.check(point.config)
        except InvalidInput as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(point.index)
    if found:
        told = [Problem(problem.key, f"{problem.message} ({_where(at)})") for problem, at in found.items()]
        raise InvalidInput(told, where)


def _where(indices: list[int]) -> str:
    others = f" and {len(indices) - 1} more" if len(indices) > 1 else ""
    return f"point {indices[0]}{others}"
