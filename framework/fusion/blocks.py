"""Equation (3) of `ot.py` for units that are free, and for units that keep together in blocks: heads of attention,
groups of a convolution. Blocks are matched as wholes, by the least cost of their insides; bases that are tied (the
queries and keys of one head) choose their blocks together.

Shapes: n units of the model, m of the reference, B blocks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis
from framework.fusion.config import OT
from framework.fusion.plans import Coupled, Plan
from framework.fusion.solvers import assigned, blockwise, solve

Masses = tuple[Tensor, Tensor]


def ties(bases: Sequence[Basis]) -> list[list[int]]:
    """The numbers of the bases, those that are tied together, in the order of the first of each."""
    groups: dict[object, list[int]] = {}
    for number, basis in enumerate(bases):
        groups.setdefault(basis.name if basis.tie is None else basis.tie, []).append(number)
    return list(groups.values())


def coupled(
    bases: Sequence[tuple[Basis, Basis]], costs: Sequence[Tensor], masses: Sequence[Masses], config: OT
) -> dict[str, Coupled]:
    """The plan of each of the `bases`, which are tied, by name, with what it costs.

    Args:
        bases: Of the model and of the reference.
        costs: Of each basis (n, m).
        masses: Of each basis (n,) and (m,).
        config: The solver.

    Raises:
        InvalidInput: no plan was found, or the reference has another number of blocks.
    """
    basis, target = bases[0]
    if not basis.blocks:
        return {basis.name: _solved(costs[0], *masses[0], config, basis.name)}
    if len(basis.blocks) != len(target.blocks):
        message = (
            f"has {len(basis.blocks)} blocks (heads, groups), in the reference {len(target.blocks)}; "
            "allowed: equal"
        )
        raise InvalidInput([Problem(basis.name, message)])
    outer = _outer(bases, costs)
    return {
        pair[0].name: _inner(*pair, cost_nm, mass, outer, config)
        for pair, cost_nm, mass in zip(bases, costs, masses, strict=True)
    }


def _outer(bases: Sequence[tuple[Basis, Basis]], costs: Sequence[Tensor]) -> Tensor:
    """For each block of the reference the model's block, (B,), by the least cost of their insides."""
    blocks = len(bases[0][0].blocks)
    cost_BB = torch.zeros(blocks, blocks, dtype=torch.float64)
    for (basis, target), cost_nm in zip(bases, costs, strict=True):
        cost_BB += blockwise(cost_nm, torch.stack(basis.blocks), torch.stack(target.blocks))
    return assigned(cost_BB)


def _inner(basis: Basis, target: Basis, cost_nm: Tensor, mass: Masses, outer: Tensor, config: OT) -> Coupled:
    """The plan within each pair of blocks, put together."""
    coupling = torch.zeros(cost_nm.shape, dtype=torch.float64)
    index = torch.empty(target.size, dtype=torch.int64)
    total, hard, converged = 0.0, True, True
    for target_block, block in enumerate(outer.tolist()):
        rows, columns = basis.blocks[block], target.blocks[target_block]
        share = mass[1][columns].sum()
        part = _solved(
            cost_nm[rows][:, columns],
            mass[0][rows] / mass[0][rows].sum(),
            mass[1][columns] / share,
            config,
            basis.name,
        )
        total += float(share) * part.cost
        converged &= part.plan.converged
        coupling[rows[:, None], columns] = share * part.plan.matrix()
        if part.plan.index is None:
            hard = False
        else:
            index[columns] = rows[part.plan.index]
    return Coupled(Plan(index=index) if hard else Plan(coupling=coupling, converged=converged), total)


def _solved(cost_nm: Tensor, mass_n: Tensor, mass_m: Tensor, config: OT, name: str) -> Coupled:
    plan = solve(cost_nm, mass_n, mass_m, config, name)
    if plan.index is not None:
        return Coupled(plan, float(cost_nm[plan.index, torch.arange(len(plan.index))].mean()))
    coupling = plan.matrix()
    return Coupled(plan, float((coupling * cost_nm).sum() / coupling.sum()))
