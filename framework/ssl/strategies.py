"""How several views of one image are compared: from a loss of a pair to a loss of V views.

Each view i has a target z_i and a prediction p_i, d(z, p) is the loss of a pair, and m = 1/V Σ_i z_i:

    none         1/2 [d(z_2, p_1) + d(z_1, p_2)]                                   two views, symmetrised
    fastsim      1/V Σ_i d(1/(V-1) Σ_{j≠i} z_j, p_i)
    pair-pair    2/V² Σ_i Σ_{j≠i} d(z_j, p_i)
    1_n          1/(V-1) Σ_{j≠1} d(z_j, p_1)
    1_mean       d(1/(V-1) Σ_{j≠1} z_j, p_1)
    mean_n       1/V Σ_i d(m, p_i)
    n_mean       d(z_1, 1/V Σ_i p_i)
    n_mean_sym   1/2 [d(m, p_1) + d(z_1, 1/V Σ_i p_i)]
    me_me        d(1/h Σ_{h<j≤2h} z_j, 1/h Σ_{i≤h} p_i)                             h = V/2, rounded down
    std_view     √(1/V Σ_i d(m, p_i)²)
    var_view     1/V Σ_i exp(2 d(m, p_i))

`fastsim` is that of Pototzky, Sultan and Schmidt-Thieme, "FastSiam: resource-efficient self-supervised learning
on a single GPU", 2022, equation (4). The others are those of AutoSSL. The sum of `pair-pair` has V (V-1) terms,
so that it is 2 (V-1)/V times their mean.

With two views `none`, `fastsim` and `pair-pair` are the standard symmetric loss. `1_n`, `1_mean` and `me_me` are
then its first half, d(z_2, p_1), and equal to it where d is symmetric and p = z. In `mean_n`, `n_mean`,
`n_mean_sym`, `std_view` and `var_view` a view is part of its own target, so that they differ from it for two
views, too.

`std_view` is least where d is nearest to 0. A loss that falls below 0 (negative cosine similarity) is driven to 0
by it, that is to right angles; `var_view` goes on to -1.

Shapes: V views, B images, F features of a projection.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fields import nearest

PairLoss = Callable[[Tensor, Tensor], Tensor]


def combine(strategy: str, pair_loss: PairLoss, targets_VBF: Tensor, predictions_VBF: Tensor) -> Tensor:
    """The loss of V views, a number, by `strategy`.

    `pair_loss(z, p)` takes targets and predictions (B, F) each and gives a number.

    Raises:
        InvalidInput: no such strategy, shapes that differ, fewer than two views, or more than it takes.
    """
    problems = []
    if strategy not in _STRATEGIES:
        problems.append(Problem("strategy", f"is {strategy!r}; {nearest(strategy, list(_STRATEGIES))}"))
    if targets_VBF.ndim != 3 or targets_VBF.shape != predictions_VBF.shape:
        shapes = f"{tuple(targets_VBF.shape)} and {tuple(predictions_VBF.shape)}"
        problems.append(
            Problem("views", f"targets and predictions have the shapes {shapes}; allowed: twice (V, B, F)")
        )
    elif len(targets_VBF) < 2:
        problems.append(Problem("views", "there is one; allowed: 2 or more"))
    elif strategy == "none" and len(targets_VBF) != 2:
        message = f"there are {len(targets_VBF)}, but strategy=none takes 2; take another strategy"
        problems.append(Problem("views", message))
    if problems:
        raise InvalidInput(problems)
    return _STRATEGIES[strategy](pair_loss, targets_VBF, predictions_VBF)


def _mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()


def _others(targets_VBF: Tensor, view: int) -> Tensor:
    """The mean (B, F) of the targets of all other views; summed, and not subtracted from the sum of all."""
    return torch.cat([targets_VBF[:view], targets_VBF[view + 1 :]]).mean(0)


def _to_mean(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    """d(m, p_i) of each view, (V,)."""
    mean_BF = z.mean(0)
    return torch.stack([d(mean_BF, prediction) for prediction in p])


def _none(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return _mean([d(z[1], p[0]), d(z[0], p[1])])


def _fastsim(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return _mean([d(_others(z, view), p[view]) for view in range(len(z))])


def _pair_pair(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    views = len(z)
    losses = [d(z[j], p[i]) for i in range(views) for j in range(views) if i != j]
    return torch.stack(losses).sum() * (2 / views**2)


def _1_n(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return _mean([d(target, p[0]) for target in z[1:]])


def _1_mean(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return d(_others(z, 0), p[0])


def _mean_n(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return _to_mean(d, z, p).mean()


def _n_mean(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return d(z[0], p.mean(0))


def _n_mean_sym(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return _mean([d(z.mean(0), p[0]), d(z[0], p.mean(0))])


def _me_me(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    half = len(z) // 2
    return d(z[half : 2 * half].mean(0), p[:half].mean(0))


def _std_view(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    # The norm has a gradient where all of them are 0, the square root of a mean has none.
    norm: Tensor = torch.linalg.vector_norm(_to_mean(d, z, p))
    return norm / math.sqrt(len(z))


def _var_view(d: PairLoss, z: Tensor, p: Tensor) -> Tensor:
    return (2 * _to_mean(d, z, p)).exp().mean()


_STRATEGIES: dict[str, Callable[[PairLoss, Tensor, Tensor], Tensor]] = {
    "none": _none,
    "fastsim": _fastsim,
    "pair-pair": _pair_pair,
    "1_n": _1_n,
    "1_mean": _1_mean,
    "mean_n": _mean_n,
    "n_mean": _n_mean,
    "n_mean_sym": _n_mean_sym,
    "me_me": _me_me,
    "std_view": _std_view,
    "var_view": _var_view,
}
