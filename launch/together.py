"""How many points of one shape a worker takes at once.

Their experiment says in which fields points may differ and still be worked by one process (`Manager.together`).
"""

import os
from typing import Any

from framework.errors import ConfigError, Problem
from framework.manager import Manager

VARIABLE = "SASHIKO_TOGETHER"


def most() -> int:
    """`SASHIKO_TOGETHER`: how many points of one shape a worker takes at once; by default one.

    Raises:
        ConfigError: it is no whole number from 1.
    """
    text = os.environ.get(VARIABLE, "1")
    if not text.isdigit() or int(text) < 1:
        raise ConfigError([Problem(VARIABLE, f"is {text!r}; allowed: a whole number from 1, such as 20")])
    return int(text)


def set_most(count: int | None, manager: Manager[Any] | None, experiment: str) -> None:
    """Tell the workers; None leaves it as the environment has it.

    Raises:
        ConfigError: no two points of the experiment can be worked at once.
    """
    if count is None:
        most()
        return
    if count > 1 and (manager is None or not manager.together):
        told = f"is {count}, and no two points of {experiment} can be worked at once; leave it out"
        raise ConfigError([Problem("--together", f"{told}, and take more --workers")])
    os.environ[VARIABLE] = str(count)
