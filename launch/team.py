"""A team: the processes that work one point together, as ranks of one run. Nothing is started here."""

from dataclasses import dataclass
from typing import Any

from framework.errors import ConfigError, Problem
from framework.manager import Manager
from framework.plan import RUN


@dataclass(frozen=True)
class Team:
    """So many ranks on each of so many nodes; one of each is a run as any other."""

    nodes: int = 1
    per_node: int = 1

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.nodes * self.per_node


def must_share(manager: Manager[Any], experiment: str, team: Team) -> None:
    """Let pass an experiment whose runs a team can share, or a team of one.

    Raises:
        ConfigError: all ranks but the first would be idle.
    """
    if team.size == 1 or RUN in manager.ranks:
        return
    told = (
        f"a run would have {team.size} processes, and one of {experiment} uses a single one: leave gpus_per_run "
        "and nodes_per_run at 1, and have more runs at a time; an experiment whose runs train with "
        "`train_model`, `fine_tune` or `distil` says so with `ranks = frozenset({'run'})` in its Manager"
    )
    raise ConfigError([Problem("gpus_per_run", told)])
