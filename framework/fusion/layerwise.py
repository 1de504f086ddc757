"""Plans found layer by layer by optimal transport.

In the order of the graph, each basis gets the plan of least cost between its units, compared by the rows that make
them, whose columns stand on plans that are already found (Singh and Jaggi, "Model fusion via optimal transport",
2020, algorithm 1). A stream that several layers write to has one plan, found from all of their rows together: a
first sweep knows only those whose columns it has met, further sweeps know all, until nothing changes.

Blocks (heads, groups) are matched as wholes, by the least cost of their insides.

Shapes: n units of the model, m of the reference, B blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis
from framework.fusion.config import OT
from framework.fusion.costs import Products, distances
from framework.fusion.equal_rows import EqualRows
from framework.fusion.features import Weights, compared, layers_of, rows_of, same_objects
from framework.fusion.plans import Plan
from framework.fusion.solvers import assigned, blockwise, solve


@dataclass(frozen=True)
class Coupled:
    """A plan with what it costs: the mean cost of a unit of mass."""

    plan: Plan
    cost: float


def layerwise(
    weights: Weights,
    config: OT,
    products: Mapping[str, Products],
    known: Mapping[str, Coupled] | None = None,
) -> dict[str, Coupled]:
    """A plan for every basis, by name. `products` of activations take the place of rows where they are given;
    plans that are `known` stay.

    Raises:
        InvalidInput: a solver that found no plan, or blocks that cannot be matched one by one.
    """
    known = known or {}
    found: dict[str, Coupled] = dict(known)
    uniform = config.marginals == "uniform" and config.solver in ("exact", "assignment")
    equal = EqualRows(weights) if uniform else None
    last: dict[int, list[Plan | None]] = {}  # what the costs stood on when a basis was last matched
    for sweep in range(config.passes):
        before = {name: coupled.plan for name, coupled in found.items()}
        open_writers = False
        for numbers in _ties(weights.bases):
            if weights.bases[numbers[0]].name in known:
                continue
            plans = {number: {name: coupled.plan for name, coupled in found.items()} for number in numbers}
            rows = [number for number in numbers if weights.bases[number].name not in products]
            stands = [plan for number in rows for plan in weights.stands(number, plans[number])]
            if numbers[0] in last and same_objects(last[numbers[0]], stands):
                continue  # the same costs again
            last[numbers[0]] = stands
            free = (
                equal.plans(numbers, [plans[number] for number in numbers]) if equal and rows == numbers else None
            )
            if free is not None:
                open_writers |= not free[1]
                for number, plan in zip(numbers, free[0], strict=True):
                    name = weights.bases[number].name
                    found[name] = _kept(found.get(name), Coupled(plan, 0.0))
                continue
            costs = []
            for number in numbers:
                given = products.get(weights.bases[number].name)
                complete = True
                if given is None:
                    given, complete = weights.products(number, plans[number])
                open_writers |= not complete
                costs.append(_costs(weights, number, given, config, alone=len(numbers) == 1))
            masses = [masses_of(weights, number, config.marginals) for number in numbers]
            bases = [(weights.bases[number], weights.target[number]) for number in numbers]
            for name, coupled in _coupled(bases, costs, masses, config).items():
                found[name] = _kept(found.get(name), coupled)
        if not open_writers and not sweep:
            break
        if sweep and all(_equal(before[name], coupled.plan) for name, coupled in found.items()):
            break
    return found


def _kept(before: Coupled | None, now: Coupled) -> Coupled:
    """`now`, with the plan from `before` where that is the same: whatever stands on it need not be found again."""
    if before is None:
        return now
    old, new = before.plan, now.plan
    if old.index is not None and new.index is not None:
        same = torch.equal(old.index, new.index)
    else:
        same = old.converged == new.converged and torch.equal(old.matrix(), new.matrix())
    return Coupled(old, now.cost) if same else now


def _costs(weights: Weights, number: int, given: Products | None, config: OT, *, alone: bool) -> Tensor:
    """The costs (n, m). With nothing to go by yet, a tied basis leaves the choice of blocks to the others."""
    basis, goal = weights.bases[number], weights.target[number]
    if given is None and not alone:
        return torch.zeros(basis.size, goal.size, dtype=torch.float64)
    return distances(given or weights.product(basis, basis.places[0], goal.places[0], {}), config.ground)


def _ties(bases: Sequence[Basis]) -> list[list[int]]:
    """The numbers of the bases, those that are tied together, in the order of the first of each."""
    groups: dict[object, list[int]] = {}
    for number, basis in enumerate(bases):
        groups.setdefault(basis.name if basis.tie is None else basis.tie, []).append(number)
    return list(groups.values())


def masses_of(weights: Weights, number: int, marginals: str) -> tuple[Tensor, Tensor]:
    """The mass of each unit of basis `number`, (n,) and (m,), each summing to 1.

    Raises:
        InvalidInput: by the norm of rows, where all rows are zero.
    """
    basis, goal = weights.bases[number], weights.target[number]
    pairs = ((weights.model, basis), (weights.reference, goal))
    if marginals == "uniform":
        return tuple(torch.full((part.size,), 1 / part.size, dtype=torch.float64) for _, part in pairs)  # type: ignore[return-value]
    order = 1 if marginals == "l1" else 2
    masses = []
    for state, part in pairs:
        norms = torch.zeros(part.size, dtype=torch.float64)
        for layer in layers_of(part, compared(part, ["writes"])):
            places = [part.places[index] for index in layer]
            rows = torch.cat([rows_of(state[place.name], place).double() for place in places], dim=1)
            norms += rows.norm(p=order, dim=1).cpu()
        if not norms.sum() > 0:
            raise InvalidInput(
                [Problem(part.name, f"has rows of zeros only, which give no marginals={marginals}")]
            )
        masses.append(norms / norms.sum())
    return masses[0], masses[1]


def _coupled(
    bases: list[tuple[Basis, Basis]],
    costs: list[Tensor],
    masses: list[tuple[Tensor, Tensor]],
    config: OT,
) -> dict[str, Coupled]:
    basis, goal = bases[0]
    if not basis.blocks:
        return {basis.name: _solved(costs[0], *masses[0], config, basis.name)}
    if len(basis.blocks) != len(goal.blocks):
        message = (
            f"has {len(basis.blocks)} blocks (heads, groups), in the reference {len(goal.blocks)}; allowed: equal"
        )
        raise InvalidInput([Problem(basis.name, message)])
    outer = _outer(bases, costs)
    found = {}
    for (basis, goal), cost, mass in zip(bases, costs, masses, strict=True):
        found[basis.name] = _inner(basis, goal, cost, mass, outer, config)
    return found


def _outer(bases: list[tuple[Basis, Basis]], costs: list[Tensor]) -> Tensor:
    """For each block of the reference the model's block, (B,), by the least cost of their insides."""
    blocks = len(bases[0][0].blocks)
    cost_BB = torch.zeros(blocks, blocks, dtype=torch.float64)
    for (basis, goal), cost in zip(bases, costs, strict=True):
        cost_BB += blockwise(cost, torch.stack(basis.blocks), torch.stack(goal.blocks))
    return assigned(cost_BB)


def _inner(
    basis: Basis, goal: Basis, cost: Tensor, mass: tuple[Tensor, Tensor], outer: Tensor, config: OT
) -> Coupled:
    coupling = torch.zeros(cost.shape, dtype=torch.float64)
    index = torch.empty(goal.size, dtype=torch.int64)
    total, hard, converged = 0.0, True, True
    for there, here in enumerate(outer.tolist()):
        units, goals = basis.blocks[here], goal.blocks[there]
        share = mass[1][goals].sum()
        part = _solved(
            cost[units][:, goals],
            mass[0][units] / mass[0][units].sum(),
            mass[1][goals] / share,
            config,
            basis.name,
        )
        total += float(share) * part.cost
        converged &= part.plan.converged
        coupling[units[:, None], goals] = share * part.plan.matrix()
        if part.plan.index is None:
            hard = False
        else:
            index[goals] = units[part.plan.index]
    return Coupled(Plan(index=index) if hard else Plan(coupling=coupling, converged=converged), total)


def _solved(cost: Tensor, mass_n: Tensor, mass_m: Tensor, config: OT, name: str) -> Coupled:
    plan = solve(cost, mass_n, mass_m, config, name)
    if plan.index is not None:
        return Coupled(plan, float(cost[plan.index, torch.arange(len(plan.index))].mean()))
    coupling = plan.matrix()
    return Coupled(plan, float((coupling * cost).sum() / coupling.sum()))


def _equal(first: Plan, second: Plan) -> bool:
    if first.index is not None and second.index is not None:
        return torch.equal(first.index, second.index)
    return torch.allclose(first.matrix(), second.matrix(), atol=1e-9)
