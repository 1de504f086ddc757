"""Drawing rows of a table into splits: seeded, disjoint, and by class where asked for.

Shapes: N rows, K classes.
"""

import numpy as np
import numpy.typing as npt

from framework.seeds import unsigned

Positions = npt.NDArray[np.int64]

TEST, VAL = 0x74657374, 0x76616C
"""Streams of a seed, one for each draw."""


def draw(
    labels_N: Positions | None, number: int, fraction: float, seed: int, stream: int, left: int = 1
) -> tuple[Positions, Positions]:
    """Sorted positions of the rows that stay, and of those that are drawn, of `number` rows.

    By class (`labels_N`) each class gives its share of round(fraction · N), by largest remainders, but at least
    one row; `left` rows of it stay. Without labels, all rows are one class.
    """
    rng = np.random.default_rng([unsigned(seed), stream])
    labels = np.zeros(number, dtype=np.int64) if labels_N is None else labels_N
    _, counts_K = np.unique(labels, return_counts=True)
    drawn = [
        rng.permutation(np.flatnonzero(labels == label))[:share]
        for label, share in zip(np.unique(labels), shares(counts_K, fraction, left), strict=True)
    ]
    chosen = np.sort(np.concatenate(drawn)).astype(np.int64)
    return np.setdiff1d(np.arange(number, dtype=np.int64), chosen), chosen


def shares(counts_K: Positions, fraction: float, left: int) -> Positions:
    """How many rows of each class are drawn, (K,): largest remainders, between 1 and n_k - `left`."""
    exact_K = fraction * counts_K
    floor_K = np.floor(exact_K).astype(np.int64)
    missing = round(float(exact_K.sum())) - int(floor_K.sum())
    order = np.argsort(-(exact_K - floor_K), kind="stable")
    floor_K[order[:missing]] += 1
    shares_K: Positions = np.clip(floor_K, 1, np.maximum(counts_K - left, 1))
    return shares_K
