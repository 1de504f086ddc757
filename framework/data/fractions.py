"""Shares of a train split: nested, class-balanced, seeded, and told apart by a digest.

Shapes: N images.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from framework.data.facts import kept_images
from framework.seeds import unsigned

Positions = npt.NDArray[np.int64]

STREAM = 0x73686172  # keeps these draws apart from those of the splits, which have the same seed
DIGITS = 12


def nested(labels_N: Positions, fraction: float, seed: int) -> Positions:
    """Sorted positions of a share of the images; every smaller share of the same seed is a part of it.

    The members of a class are put into an order that is drawn, and the k-th of n into the place (k + u) / n, where
    u is one draw of the class on [0, 1). The share is the first images by place. So each class gives its share of
    its images, give or take one, and what is added to a share never replaces what was in it.
    """
    rng = np.random.default_rng([unsigned(seed), STREAM])
    places_N = np.empty(len(labels_N))
    for label in np.unique(labels_N):
        members = np.flatnonzero(labels_N == label)
        places_N[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    chosen = np.argsort(places_N, kind="stable")[: kept_images(len(labels_N), fraction)]
    return np.sort(chosen).astype(np.int64)


def digest(indices_N: npt.ArrayLike) -> str:
    """12 hex digits of which images these are, in whatever order: the same for the same set of indices."""
    ordered = np.sort(np.asarray(indices_N, dtype="<i8"))
    return hashlib.sha256(ordered.tobytes()).hexdigest()[:DIGITS]
