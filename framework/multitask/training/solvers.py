"""The solvers that methods of balancing need beside TorchJD; they come with the extra `multitask`."""

import importlib.util

from framework.errors import ConfigError, Problem
from framework.multitask.training.config import Balancing

NEEDS = {"upgrad": ("qpsolvers", "quadprog"), "cagrad": ("cvxpy",), "nash_mtl": ("cvxpy", "ecos")}
INSTALL = "pip install 'sashiko[multitask]'"


def check_solver(balancing: Balancing) -> None:
    """Refuse a method whose solver is not installed.

    Raises:
        ConfigError: it is not; the message says how to install it.
    """
    missing = [name for name in NEEDS.get(balancing.kind, ()) if importlib.util.find_spec(name) is None]
    if missing:
        told = f"is {balancing.kind}, which needs {' and '.join(missing)}; install what is missing: {INSTALL}"
        raise ConfigError([Problem("training.balancing.kind", told)])
