"""Strategies that pick samples: which images become the anchors of a mapping.

Every strategy takes the labels of the candidates, the number of samples and a seed, and returns positions among
the candidates: exactly `num_samples` of them, all different, sorted. It knows no image and no model.

Shapes: N candidates, S samples.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from framework.errors import ConfigError, Problem

Strategy = Callable[[npt.NDArray[np.int64], int, int], npt.NDArray[np.int64]]


def equally(labels_N: npt.NDArray[np.int64], num_samples: int, seed: int) -> npt.NDArray[np.int64]:
    """As many samples of each class as of any other, by at most one: positions (S,), sorted.

    Which classes give one more than the others, where S is no multiple of their number, is drawn too.

    Raises:
        ConfigError: a class has too few candidates, or `num_samples` is not positive.
    """
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.unique(labels_N))
    _refuse_impossible("equally", num_samples, len(labels_N), "candidates")
    share, remainder = divmod(num_samples, len(classes))
    picked = []
    for rank, label in enumerate(classes):
        members_M = np.flatnonzero(labels_N == label)
        wanted = share + (rank < remainder)
        _refuse_impossible("equally", num_samples, len(members_M), f"candidates of class {label}", wanted)
        picked.append(rng.choice(members_M, wanted, replace=False))
    return np.sort(np.concatenate(picked))


def random(labels_N: npt.NDArray[np.int64], num_samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Samples drawn uniformly without replacement, whatever their class: positions (S,), sorted.

    Raises:
        ConfigError: `num_samples` is not positive or larger than the number of candidates.
    """
    _refuse_impossible("random", num_samples, len(labels_N), "candidates")
    return np.sort(np.random.default_rng(seed).choice(len(labels_N), num_samples, replace=False))


STRATEGIES: dict[str, Strategy] = {"equally": equally, "random": random}


def _refuse_impossible(
    strategy: str, num_samples: int, available: int, of_what: str, wanted: int | None = None
) -> None:
    wanted = num_samples if wanted is None else wanted
    if num_samples < 1:
        message = f"is {num_samples}; allowed: a positive integer"
    elif wanted > available:
        message = (
            f"is {num_samples}, for which sampling={strategy} needs {wanted} {of_what}; there are {available}"
        )
    else:
        return
    raise ConfigError([Problem("num_samples", message)])
