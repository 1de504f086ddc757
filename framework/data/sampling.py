"""Strategies that pick samples: which images become the anchors of a mapping.

Every strategy takes the candidates, the number of samples and a seed, and returns positions among the candidates:
exactly `num_samples` of them, all different, sorted. Anchors are images, picked once and encoded by both models;
what a strategy looks at is told by `Candidates`.

    equally          as many of each class as of any other, by at most one
    random           uniformly, whatever the class
    class_list       equally, from the classes that are listed
    outlier          equally, without the images that the target reconstructs badly
    hard             equally, from those that `outlier` drops
    worst_classes    equally, from the half of the classes on which the target's mean error is largest
    best_classes     equally, from the other half, on which it is smallest
    convex_hull      per class, vertices of the convex hull of the source's latents in their first three principal
                     components; where a class has too few vertices, other images of the class fill its share
    furthest_away    farthest-point sampling of the source's latents (Gonzalez, 1985)

The error is that of each image in the target alone: mean squared error, or cross-entropy for a classifier. "Badly"
is an error above the mean plus half a standard deviation. (The study that this follows adds half the variance,
which has another unit; its `outlier` drops, and its worst classes were the best by a slip.)

Shapes: N candidates, D latent dimensions, S samples, M members of a class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.errors import ConfigError, Problem
from framework.seeds import numpy_numbers

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]

HULL_COMPONENTS = 3


@dataclass(frozen=True)
class Candidates:
    """What strategies look at: labels (N,), the target's error on each image (N,), the source's latents (N, D).

    `classes` restricts every strategy to these labels; None takes all.
    """

    labels: Positions
    errors: Floats | None = None
    latents: Floats | None = None
    classes: tuple[int, ...] | None = None

    def allowed(self) -> Positions:
        """Positions of the candidates of the allowed classes.

        Raises:
            ConfigError: a class that is listed has no candidate.
        """
        if self.classes is None:
            return np.arange(len(self.labels))
        there = np.unique(self.labels)
        absent = sorted(set(self.classes) - set(there.tolist()))
        if absent:
            message = f"names the classes {absent}, which have no image here; there are {there.tolist()}"
            raise ConfigError([Problem("sampling_classes", message)])
        return np.flatnonzero(np.isin(self.labels, self.classes))

    def known(self, what: str, strategy: str) -> Floats:
        """`errors` or `latents`, where a strategy needs them.

        Raises:
            ConfigError: they are not there.
        """
        values: Floats | None = getattr(self, what)
        if values is None:
            message = f"is {strategy}, which looks at the {what} of the candidates; none were given"
            raise ConfigError([Problem("sampling", message)])
        return values


Strategy = Callable[[Candidates, int, int], Positions]


def equally(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """As many samples of each class as of any other, by at most one.

    Which classes give one more than the others, where S is no multiple of their number, is drawn too.

    Raises:
        ConfigError: a class has too few candidates, or `num_samples` is not positive.
    """
    return _equally("equally", candidates.labels, candidates.allowed(), num_samples, numpy_numbers(seed))


def random(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """Samples drawn uniformly without replacement, whatever their class.

    Raises:
        ConfigError: `num_samples` is not positive or larger than the number of candidates.
    """
    allowed = candidates.allowed()
    _refuse_impossible("random", num_samples, len(allowed), "candidates")
    return np.sort(numpy_numbers(seed).choice(allowed, num_samples, replace=False))


def class_list(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """`equally` among the listed classes.

    Raises:
        ConfigError: no class is listed; or as `equally`.
    """
    if not candidates.classes:
        message = "is class_list, which needs the classes; list them in sampling_classes"
        raise ConfigError([Problem("sampling", message)])
    rng = numpy_numbers(seed)
    return _equally("class_list", candidates.labels, candidates.allowed(), num_samples, rng)


def outlier(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """`equally` among the images whose error is at most the mean plus half a standard deviation.

    Raises:
        ConfigError: as `equally`; or the candidates' errors are not known.
    """
    allowed = candidates.allowed()
    kept = allowed[~_badly(candidates, "outlier")[allowed]]
    return _equally("outlier", candidates.labels, kept, num_samples, numpy_numbers(seed))


def hard(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """`equally` among the images whose error is above the mean plus half a standard deviation.

    Raises:
        ConfigError: as `equally`; or the candidates' errors are not known.
    """
    allowed = candidates.allowed()
    kept = allowed[_badly(candidates, "hard")[allowed]]
    return _equally("hard", candidates.labels, kept, num_samples, numpy_numbers(seed))


def worst_classes(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """`equally` among the half of the classes (rounded up) with the largest mean error.

    Raises:
        ConfigError: as `equally`; or the candidates' errors are not known.
    """
    return _half("worst_classes", candidates, num_samples, seed, largest=True)


def best_classes(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """`equally` among the half of the classes (rounded up) with the smallest mean error.

    Raises:
        ConfigError: as `equally`; or the candidates' errors are not known.
    """
    return _half("best_classes", candidates, num_samples, seed, largest=False)


def convex_hull(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """Each class gives an equal share of hull vertices of its latents; too few are filled with its other images.

    Raises:
        ConfigError: as `equally`; or the candidates' latents are not known.
    """
    allowed, latents_ND = candidates.allowed(), candidates.known("latents", "convex_hull")
    rng = numpy_numbers(seed)
    picked = []
    for members_M, wanted in _shares("convex_hull", candidates.labels, allowed, num_samples, rng):
        vertices = members_M[hull_vertices(latents_ND[members_M])] if wanted else members_M[:0]
        chosen = rng.choice(vertices, min(wanted, len(vertices)), replace=False)
        others = np.setdiff1d(members_M, vertices)
        picked += [chosen, rng.choice(others, wanted - len(chosen), replace=False)]
    return np.sort(np.concatenate(picked))


def furthest_away(candidates: Candidates, num_samples: int, seed: int) -> Positions:
    """The first S points of the farthest-point order of the latents, from a start that the seed draws.

    Raises:
        ConfigError: `num_samples` is not positive or larger than the number of candidates; or their latents are
            not known.
    """
    allowed, latents_ND = candidates.allowed(), candidates.known("latents", "furthest_away")
    _refuse_impossible("furthest_away", num_samples, len(allowed), "candidates")
    start = int(numpy_numbers(seed).integers(len(allowed)))
    return np.sort(allowed[furthest_order(latents_ND[allowed], num_samples, start)])


STRATEGIES: dict[str, Strategy] = {
    strategy.__name__: strategy
    for strategy in (
        equally, random, class_list, outlier, hard, worst_classes, best_classes, convex_hull, furthest_away,
    )
}  # fmt: skip


def hull_vertices(points_MD: Floats) -> Positions:
    """Positions of the vertices of the convex hull of points (M, D) in their first three principal components.

    All positions, where the points are too few or too flat for a hull of that many dimensions.
    """
    from scipy.spatial import ConvexHull, QhullError  # type: ignore[import-untyped]

    centred = points_MD - points_MD.mean(axis=0)
    components = min(HULL_COMPONENTS, points_MD.shape[1])
    try:
        if components == 1:
            return np.unique([centred[:, 0].argmin(), centred[:, 0].argmax()])
        axes_KD = np.linalg.svd(centred, full_matrices=False)[2][:components]
        return np.sort(ConvexHull(centred @ axes_KD.T).vertices.astype(np.int64))
    except QhullError:
        return np.arange(len(points_MD))


def furthest_order(points_ND: Floats, count: int, start: int) -> Positions:
    """`start`, then each time the point whose nearest chosen point is furthest: positions (count,) in order."""
    points = np.ascontiguousarray(points_ND, dtype=np.float32)
    squares_N = np.einsum("nd,nd->n", points, points)
    nearest_N = np.full(len(points), np.inf, dtype=np.float32)
    order = np.empty(count, dtype=np.int64)
    chosen = start
    for place in range(count):
        order[place] = chosen
        distances_N = squares_N - 2 * (points @ points[chosen]) + squares_N[chosen]
        np.minimum(nearest_N, distances_N, out=nearest_N)
        nearest_N[chosen] = -np.inf  # also where rounding leaves it a distance from itself
        chosen = int(nearest_N.argmax())
    return order


def _equally(
    strategy: str, labels_N: Positions, allowed: Positions, num_samples: int, rng: np.random.Generator
) -> Positions:
    picked = [
        rng.choice(members_M, wanted, replace=False)
        for members_M, wanted in _shares(strategy, labels_N, allowed, num_samples, rng)
    ]
    return np.sort(np.concatenate(picked))


def _shares(
    strategy: str, labels_N: Positions, allowed: Positions, num_samples: int, rng: np.random.Generator
) -> list[tuple[Positions, int]]:
    """The allowed members of each class, and how many of them to take; the classes' order is drawn."""
    _refuse_impossible(strategy, num_samples, len(allowed), "candidates")
    classes = rng.permutation(np.unique(labels_N[allowed]))
    share, remainder = divmod(num_samples, len(classes))
    shares = []
    for rank, label in enumerate(classes):
        members_M = allowed[labels_N[allowed] == label]
        wanted = share + (rank < remainder)
        _refuse_impossible(strategy, num_samples, len(members_M), f"candidates of class {label}", wanted)
        shares.append((members_M, wanted))
    return shares


def _badly(candidates: Candidates, strategy: str) -> npt.NDArray[np.bool_]:
    errors_N = candidates.known("errors", strategy)
    known_N = errors_N[candidates.allowed()].astype(np.float64)
    above: npt.NDArray[np.bool_] = errors_N > known_N.mean() + known_N.std() / 2
    return above


def _half(strategy: str, candidates: Candidates, num_samples: int, seed: int, *, largest: bool) -> Positions:
    allowed, errors_N = candidates.allowed(), candidates.known("errors", strategy)
    classes = np.unique(candidates.labels[allowed])
    means = [errors_N[allowed][candidates.labels[allowed] == label].astype(np.float64).mean() for label in classes]
    order = classes[np.argsort(means, kind="stable")]
    count = -(-len(classes) // 2)
    half: Positions = order[-count:] if largest else order[:count]
    members = allowed[np.isin(candidates.labels[allowed], half)]
    return _equally(strategy, candidates.labels, members, num_samples, numpy_numbers(seed))


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
