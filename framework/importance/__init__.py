"""Which factors a metric depends on: exact on a grid (`shares`), by PED-ANOVA where points were drawn."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Method = Literal["variance shares", "PED-ANOVA"]
Levels = Mapping[str, Sequence[object]]
"""For each factor its value in each run, None where a run has no such factor. Seeds are none of them."""

SEED = re.compile(r"(^|[._-])(seeds?|random_state|replicate)$", re.IGNORECASE)
"""What a field is called that makes a replicate, with its last word."""


@dataclass(frozen=True)
class Effect:
    """What one factor, or two together, explain of a metric.

    `share` of its variance; `floor`, the share that seeds alone would give it, and `p` of its F-test, both None
    without replicates and by PED-ANOVA.
    """

    factors: tuple[str, ...]
    share: float
    floor: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Importance:
    """The effects, the largest first. With the shares of the `seeds` and of what is `left` they sum to 1.

    `exact` is False where combinations have no run, so that effects overlap. `notes` say in words what a reader
    must know.
    """

    method: Method
    effects: Sequence[Effect] = ()
    seeds: float | None = None
    left: float | None = None
    runs: int = 0
    cells: int = 0
    exact: bool = False
    notes: Sequence[str] = ()


def names_a_seed(name: str) -> bool:
    """Whether a field by its (dotted) name only tells replicates apart: what it changes is chance."""
    return SEED.search(name) is not None


def importance(search: str, factors: Levels, values: Sequence[float], *, maximize: bool = False) -> Importance:
    """The importance of factors for a metric, by what fits how the points of a sweep came about.

    `search`: W&B's `method` of the sweep: `grid`, `random` or `bayes`; a table of runs without a sweep is read as
    a grid, since its points were chosen. `values` (runs): the metric.
    """
    if search in ("random", "bayes"):
        from framework.importance.ped_anova import ped_anova

        return ped_anova(factors, values, maximize=maximize)
    from framework.importance.shares import variance_shares

    return variance_shares(factors, values)
