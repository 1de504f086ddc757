"""Groups of units of two networks, by how their activations correlate: which units ZipIt! makes one.

(Stoica, Bolya, Bjorner, Ramesh, Hearn and Hoffman, "ZipIt! Merging models from different tasks without training",
2024, section 4.) Groups are found greedily: of 2 n units the two that correlate most become one, n times. What is
left of a merger correlates with others as the worse of its two sides, times `alpha`; at most `beta` n mergers are
within one network. Equation numbers are those of `zipping.py`.

Shapes: n units of a basis, u = 2 n of both networks.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.activations import activations
from framework.fusion.bases import Activation, Basis
from framework.fusion.costs import Products
from framework.fusion.structure import Structure
from framework.models.batch import Inputs

LAST = -2.0  # less than any correlation
CONSTANT = 1e-12  # variance, relative to the mean square, of a unit that does not vary


def grouped(correlation_uu: Tensor, alpha: float, beta: float) -> Tensor:
    """The group of each of u = 2 n units, (u,), by their correlations (u, u): those of the first network first.

    Groups are 0 … n - 1 in the order of their first units, so that a network zipped with itself keeps its order.
    """
    n = len(correlation_uu) // 2
    likeness = correlation_uu.clone().fill_diagonal_(-torch.inf)
    group = torch.arange(2 * n)
    nets = torch.arange(2 * n) // n  # of what each group is: 0 or 1 of one network, 2 of both
    within, most = [0, 0], int(beta * n + 1e-9)  # 0.29 * 100 is a little less than 29
    for _ in range(n):
        for net in (0, 1):
            if within[net] == most:
                pure = torch.nonzero(nets == net).squeeze(1)
                likeness[pure[:, None], pure] = -torch.inf
        kept, gone = sorted(divmod(int(likeness.argmax()), 2 * n))
        if nets[kept] == nets[gone] != 2:
            within[int(nets[kept])] += 1
        else:
            nets[kept] = 2
        group[group == gone] = kept
        worse = torch.minimum(likeness[kept], likeness[gone])
        worse = (
            torch.where(worse > 0, alpha * worse, worse) if alpha else torch.where(worse.isfinite(), LAST, worse)
        )
        likeness[kept], likeness[:, kept] = worse, worse
        likeness[gone], likeness[:, gone] = -torch.inf, -torch.inf
        nets[gone] = -1
    firsts = group == torch.arange(2 * n)
    return (firsts.cumsum(0) - 1)[group]


def matrices(group_u: Tensor) -> tuple[Tensor, Tensor]:
    """Equation (1) as matrices, M (n, 2 n) and U (2 n, n)."""
    unmerge = nn.functional.one_hot(group_u).double()
    return unmerge.T / unmerge.sum(0)[:, None], unmerge


def correlations(
    modules: Sequence[nn.Module],
    structures: Sequence[Structure],
    bases: Sequence[Basis],
    nodes: Collection[str],
    inputs: Inputs,
) -> dict[str, Tensor]:
    """Of each basis the correlations (2 n, 2 n) of both networks' units, seen at `nodes` alone.

    Units that do not vary correlate fully with one another and not at all with others.
    """
    watched = {basis.name: _seen(basis, nodes) for basis in bases}
    streams = [activations(*of, watched, inputs) for of in zip(modules, structures, strict=True)]
    sums: dict[str, Products] = {}
    for batches in zip(*streams, strict=True):
        for name in watched:
            features_uD = torch.cat([batch[name] for batch in batches]).double()
            piece = Products.of(features_uD, features_uD)
            sums[name] = sums[name] + piece if name in sums else piece
    found = {}
    for name, products in sums.items():
        centred = products.centred()
        constant_u = centred.squares_n <= CONSTANT * products.squares_n
        correlation_uu = centred.normalised().cross_nm
        correlation_uu[constant_u], correlation_uu[:, constant_u] = 0, 0
        correlation_uu[torch.outer(constant_u, constant_u)] = 1
        found[name] = correlation_uu
    return found


def _seen(basis: Basis, nodes: Collection[str]) -> list[Activation]:
    for watched in (basis.activated, basis.written):
        seen = [activation for activation in watched if activation.node in nodes]
        if seen:
            return seen
    raise InvalidInput([Problem(basis.name, "has no activations by which its units could be compared")])
