"""Fusion by optimal transport, layer by layer (Singh and Jaggi, "Model fusion via optimal transport", 2020,
algorithm 1).

In the order of the graph, for each layer ℓ with weights W_ℓ of the model and V_ℓ of the reference:

    Ŵ_ℓ = W_ℓ with its columns carried along T_ℓ₋₁   so that it reads units in the reference's order          (1)
    C_ij = d(row i of Ŵ_ℓ, row j of V_ℓ)             the ground cost; of activations, where they are given    (2)
    T_ℓ = argmin <T, C>  over  T 1 = μ, Tᵀ 1 = ν     the transport plan                                       (3)

Carried along all plans (`plans.transport`), the model is averaged with the reference.

What the paper leaves open: a residual stream, which several layers write to, has one plan, and its rows are those
of all of them. A first sweep over the layers knows only the writers whose columns have plans; further sweeps know
all, until nothing changes. Blocks (heads, groups) are matched as wholes (`blocks.py`). `shortcuts.py` finds the
same plans with less work.

Shapes: n units of the model, m of the reference.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from framework.fusion.blocks import coupled, ties
from framework.fusion.config import OT
from framework.fusion.costs import Products, distances
from framework.fusion.plans import Coupled, Matched, Plans
from framework.fusion.rows import Weights, masses_of

Match = Callable[[Sequence[int], Plans], Matched]
"""From the numbers of bases that are tied together, and the plans so far, to the plans of these bases."""


def transport_plans(
    weights: Weights,
    config: OT,
    products: Mapping[str, Products],
    known: Mapping[str, Coupled] | None = None,
    match: Match | None = None,
) -> dict[str, Coupled]:
    """A plan for every basis, by name.

    Args:
        weights: Of both models.
        config: Ground costs, marginals and solver.
        products: Of activations, by the name of the basis; they take the place of rows.
        known: Plans that stay as they are.
        match: `matching(weights, config, products)`, or a quicker way to the same.

    Raises:
        InvalidInput: a solver that found no plan, or blocks that cannot be matched one by one.
    """
    match = match or matching(weights, config, products)
    found = dict(known or {})
    layers = [numbers for numbers in ties(weights.bases) if weights.bases[numbers[0]].name not in found]
    for sweep in range(config.passes):
        before, complete = dict(found), True
        for numbers in layers:
            step = match(numbers, {name: pair.plan for name, pair in found.items()})
            found.update(step.coupled)
            complete &= step.complete
        if complete if sweep == 0 else all(before[name].plan.equals(found[name].plan) for name in found):
            break
    return found


def matching(weights: Weights, config: OT, products: Mapping[str, Products]) -> Match:
    """Equations (1) to (3) for one layer, or for the bases that are tied together."""

    def match(numbers: Sequence[int], plans: Plans) -> Matched:
        bases = [(weights.bases[number], weights.target[number]) for number in numbers]
        complete, costs = True, []
        for number, (basis, _) in zip(numbers, bases, strict=True):
            compared = products.get(basis.name)
            if compared is None:
                compared, known = weights.products(number, plans)  # equation (1)
                complete &= known
            costs.append(_cost(weights, number, compared, config, alone=len(numbers) == 1))
        masses = [masses_of(weights, number, config.marginals) for number in numbers]
        return Matched(coupled(bases, costs, masses, config), complete)

    return match


def _cost(weights: Weights, number: int, compared: Products | None, config: OT, *, alone: bool) -> Tensor:
    """Equation (2), (n, m). Where no writer can be compared yet, a tied basis leaves the choice of blocks to the
    others, and one that is alone goes by the rows of its first place as they are.
    """
    basis, target = weights.bases[number], weights.target[number]
    if compared is None and not alone:
        return torch.zeros(basis.size, target.size, dtype=torch.float64)
    return distances(compared or weights.product(basis.places[0], target.places[0], {}), config.ground)
