"""Values that may differ from task to task: one for all, or `{task_0: …, task_1: …}`. Knows no tensor."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from framework.config import Config
from framework.errors import Problem
from framework.fields import did_you_mean, union_arms

T = TypeVar("T")
PerTask = Union[T, dict[str, T]]  # noqa: UP007 (an alias with a parameter)
"""One value for every task, or a mapping that has one for each."""


def value(given: "PerTask[T]", task: str) -> T:
    """What is meant for `task`; a mapping that is checked (`per_task_problems`) has it."""
    return given[task] if isinstance(given, dict) else given


@functools.cache
def per_task_fields(section: type[Config]) -> tuple[str, ...]:
    """The fields of a section that may be given per task."""
    return tuple(
        name
        for name, info in section.model_fields.items()
        if any(get_origin(arm) is dict and get_args(arm)[0] is str for arm in union_arms(info.annotation))
    )


def given_per_task(section: Config) -> dict[str, dict[str, Any]]:
    """The fields of a section that are given per task, with their mappings."""
    found = {name: getattr(section, name) for name in per_task_fields(type(section))}
    return {name: mapping for name, mapping in found.items() if isinstance(mapping, dict)}


def per_task_problems(section: Config, tasks: Sequence[str]) -> Iterator[Problem]:
    """Mappings that leave out a task, or name one that there is not; keys are those of the section."""
    for name, mapping in given_per_task(section).items():
        missing = [task for task in tasks if task not in mapping]
        unknown = [task for task in mapping if task not in tasks]
        told = [f"has nothing for {', '.join(missing)}"] if missing else []
        told += [f"names {task}, which is no task{did_you_mean(task, list(tasks))}" for task in unknown]
        if told:
            allowed = f"one value for all, or a mapping with these keys: {', '.join(tasks)}"
            yield Problem(name, f"{' and '.join(told)}; allowed: {allowed}")
