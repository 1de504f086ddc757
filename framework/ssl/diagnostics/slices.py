"""Pairs of vectors within the cube views x batch x features, that correlations and covariances are means over.

Along one axis of the cube lie the n observations of a vector; the other two tell the vectors apart: slices, and
entries of a slice.

    axis          observations   slices s   entries e
    batch_ik      images         views      features     as in Barlow Twins and VICReg
    feature_ij    features       views      images
    view_jk       views          images     features

    pairs
    10    of one slice, different entries       within a view, off the diagonal (of view_jk: within an image)
    01    of different slices, the same entry   across views, on the diagonal
    00    of different slices and entries       across views, off the diagonal

The slices are the first `slices` ones, two where nothing else is said, as in the study that these measures come
from (AutoSSL): views are exchangeable, so that two of them give the same on average as all do.

Shapes: V views, B images, F features; S slices, E entries, O observations, R entries at a time.
"""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Literal

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.ssl.diagnostics.inputs import Numbers, cube_of
from framework.values import is_number

Axis = Literal["batch_ik", "feature_ij", "view_jk"]
Pairs = Literal["10", "01", "00"]

ORDER = {"batch_ik": (0, 2, 1), "feature_ij": (0, 1, 2), "view_jk": (1, 2, 0)}
PAIRS: tuple[Pairs, ...] = ("10", "01", "00")
AXES: tuple[Axis, ...] = ("batch_ik", "feature_ij", "view_jk")
AT_ONCE = 2**22  # pairs of entries whose products are held


def vectors(cube_VBF: Numbers, axis: Axis, slices: int, where: str) -> Tensor:
    """Centred vectors (S, E, O) of (V, B, F), which make covariances of their products (divided by √(n - 1)).

    Raises:
        InvalidInput: as `cube_of`; fewer than two of any axis; slices that are no number from 2.
    """
    cube = cube_of(cube_VBF, where, views=2, images=2, features=2)
    if not (is_number(slices, whole=True) and slices >= 2):
        raise InvalidInput([Problem("slices", f"is {slices!r}; allowed: 2 or more")], where)
    chosen_SEO = cube.permute(*ORDER[axis])[:slices]
    centred_SEO: Tensor = chosen_SEO - chosen_SEO.mean(dim=2, keepdim=True)
    return centred_SEO / math.sqrt(chosen_SEO.shape[2] - 1)


def mean_over(
    pairs: Pairs, vectors_SEO: Tensor, counted_SE: Tensor, of_product: Callable[[Tensor], Tensor]
) -> float:
    """The mean, over all pairs of vectors that are counted, of a function of their product; NaN for no pair."""
    total, count = 0.0, 0
    for first, second in _slices_of(pairs, len(vectors_SEO)):
        one_EO, other_EO = vectors_SEO[first], vectors_SEO[second]
        both_E = counted_SE[first] & counted_SE[second]
        on_diagonal = of_product((one_EO * other_EO).sum(dim=1))[both_E].sum()
        if pairs == "01":
            total, count = total + float(on_diagonal), count + int(both_E.sum())
            continue
        one_EO, other_EO = one_EO[counted_SE[first]], other_EO[counted_SE[second]]
        step = max(1, AT_ONCE // max(1, len(other_EO)))
        summed = math.fsum(
            float(of_product(part_RO @ other_EO.t()).sum()) for part_RO in torch.split(one_EO, step)
        )
        total += summed - float(on_diagonal)
        count += len(one_EO) * len(other_EO) - int(both_E.sum())
    return total / count if count else float("nan")


def _slices_of(pairs: Pairs, slices: int) -> list[tuple[int, int]]:
    return [(each, each) for each in range(slices)] if pairs == "10" else list(permutations(range(slices), 2))


def all_counted(vectors_SEO: Tensor) -> Tensor:
    """That every vector is counted, (S, E)."""
    return torch.ones(vectors_SEO.shape[:2], dtype=torch.bool, device=vectors_SEO.device)
