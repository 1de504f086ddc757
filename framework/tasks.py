"""Per-task values: any parameter declared `PerTask[T]` takes one value for all tasks, or one for each.

For example::

    class Training(Config):
        learning_rate: PerTask[float] = 1e-3  # 0.001, or {"task_0": 0.001, "task_1": 0.01}

    for_task(config, "task_1").learning_rate  # always a plain value
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, Union

from pydantic import BaseModel

from framework.errors import ConfigError, Problem

TASK_PREFIX = "task_"

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

PerTask = Union[T, dict[str, T]]  # noqa: UP007 (a type variable takes no `|` here on Python 3.11)


def is_per_task(value: Any) -> bool:
    """Whether a value gives each task its own: a mapping whose keys all begin with `task_`."""
    return isinstance(value, Mapping) and bool(value) and all(str(k).startswith(TASK_PREFIX) for k in value)


def task_names(config: BaseModel) -> list[str]:
    """The tasks that the config names, sorted; empty if no parameter differs between tasks.

    Raises:
        ConfigError: two parameters name different tasks; every one that disagrees is told.
    """
    named = dict(_per_task_values(config))
    every = sorted({task for tasks in named.values() for task in tasks})
    problems = [
        Problem(key, f"has values for {', '.join(sorted(tasks))}, but the config's tasks are {', '.join(every)}")
        for key, tasks in named.items()
        if sorted(tasks) != every
    ]
    if problems:
        raise ConfigError(problems, type(config).__name__)
    return every


def for_task(config: M, task: str) -> M:
    """The config as one task sees it: every per-task value replaced by that of `task`.

    Raises:
        ConfigError: the config's tasks disagree, or `task` is not one of them.
    """
    tasks = task_names(config)
    if tasks and task not in tasks:
        raise ConfigError([Problem(task, f"is no task of this config; allowed: {', '.join(tasks)}")])
    return _resolved(config, task)


def _resolved(config: M, task: str) -> M:
    changed: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            changed[name] = _resolved(value, task)
        elif is_per_task(value):
            changed[name] = value[task]
    return config.model_copy(update=changed)


def _per_task_values(config: BaseModel, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _per_task_values(value, f"{prefix}{name}.")
        elif is_per_task(value):
            yield f"{prefix}{name}", value
