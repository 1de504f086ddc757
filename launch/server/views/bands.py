"""Several curves as one band, at a grid of steps.

It tells of the runs that reach a step the mean of their curves, the lowest and the highest, and how many they are.
Between its own points a curve is a straight line; beyond its ends it is not there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from launch.server.storage.blocks import Block
from launch.server.views.curves import short

Floats = npt.NDArray[np.float64]


def band(curves_: Sequence[Sequence[Block]], points: int) -> dict[str, list[Any]]:
    """Several curves as one band at `points` steps."""
    ends = [(block.first, block.last_step) for blocks in curves_ for block in blocks]
    low, high = min(first for first, _ in ends), max(last for _, last in ends)
    grid = np.unique(np.linspace(low, high, points).round()).astype(np.float64)
    table = np.array([_on(grid, blocks) for blocks in curves_])
    there = np.isfinite(table)
    number = there.sum(axis=0)
    some = number > 0
    total = np.where(there, table, 0.0).sum(axis=0)
    lowest = np.where(there, table, np.inf).min(axis=0)
    highest = np.where(there, table, -np.inf).max(axis=0)
    return {
        "x": [int(step) for step in grid],
        "mean": [short(a / n) if ok else None for a, n, ok in zip(total, number, some, strict=True)],
        "low": [short(value) if ok else None for value, ok in zip(lowest, some, strict=True)],
        "high": [short(value) if ok else None for value, ok in zip(highest, some, strict=True)],
        "n": [int(n) for n in number],
    }


def _on(grid: Floats, blocks: Sequence[Block]) -> Floats:
    """A curve at the steps of a grid; NaN where it is not, or has no finite value."""
    good = [block for block in blocks if block.number]
    if not good:
        return np.full(len(grid), np.nan)
    x = np.array([(block.first + block.last_step) / 2 for block in good])
    y = np.array([block.mean for block in good])
    x[0], x[-1] = good[0].first, good[-1].last_step
    return np.asarray(np.interp(grid, x, y, left=np.nan, right=np.nan), dtype=np.float64)
