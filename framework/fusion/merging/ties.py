"""TIES: trim each task vector, elect a sign for each entry, and average what agrees with it.

    trim       τ̂_k = τ_k where |τ_k| is among the top `density` of all entries of τ_k, else 0                   (1)
    elect      γ = sgn(Σ_k τ̂_k)                                                                                 (2)
    merge      τ^p = 1/|A^p| Σ_{k in A^p} τ̂_k^p,    A^p = {k : sgn(τ̂_k^p) = γ^p}                               (3)
               θ = θ_0 + λ τ

(Yadav, Tam, Choshen, Raffel and Bansal, "TIES-merging: resolving interference when merging models", 2023,
algorithm 1.) The sign of the sum is the sign with more total mass. Entries are ranked over the whole vector, not
by layer, so that some layers keep more than others.

Where the masses of both signs are equal γ is 0, and so is the mean (3): an entry on which nothing is decided stays
what it is in the base. (The authors' code gives it the sign that most entries have instead.) Entries of the size
of the smallest kept one are all kept.

Shapes: k models, P entries of a vector.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from framework.fusion.merging.vectors import State


def ties(vectors: Sequence[State], density: float) -> dict[str, Tensor]:
    """The merged task vector of equations (1) to (3), which is yet to be scaled."""
    trimmed = [trim(vector, density) for vector in vectors]
    return {name: disjoint_mean(torch.stack([vector[name] for vector in trimmed])) for name in vectors[0]}


def trim(vector: State, density: float) -> dict[str, Tensor]:
    """Equation (1): the entries above a size, the others 0."""
    sizes_P = torch.cat([tensor.abs().flatten() for tensor in vector.values()])
    kept = math.ceil(density * len(sizes_P) - 1e-9)  # 0.1 * 30 is a little more than 3
    if kept >= len(sizes_P):
        return dict(vector)
    least = sizes_P.kthvalue(len(sizes_P) - kept + 1).values
    return {name: torch.where(tensor.abs() >= least, tensor, 0) for name, tensor in vector.items()}


def elected_signs(entries_kP: Tensor) -> Tensor:
    """Equation (2), (P,): -1, 0 or 1."""
    return entries_kP.sum(0).sign()


def disjoint_mean(entries_kP: Tensor) -> Tensor:
    """Equation (3), (P,), over any number of axes behind the first."""
    signs_P = elected_signs(entries_kP)
    agree_kP = entries_kP.sign() == signs_P  # of an entry without a sign only zeros agree
    count_P = agree_kP.sum(0).clamp_min(1)
    return torch.where(agree_kP, entries_kP, 0).sum(0) / count_P
