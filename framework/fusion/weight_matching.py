"""Weight matching: the permutations that bring all weights of a model closest to those of a reference.

    max over permutations   Σ over parameters <W_ref, P W>                                                     (1)

(Ainsworth, Hayase and Srinivasa, "Git Re-Basin", 2023, algorithm 1.) Basis by basis, in random order, the
assignment that is best for all parameters on which the basis is, rows and columns alike, with the other bases as
they are; until a whole round changes nothing. No step makes (1) smaller. Running statistics are no parameters:
they are carried along, and say nothing.

Shapes: n units of a basis.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.fusion.bases import Basis, Place
from framework.fusion.config import Ground, WeightMatching
from framework.fusion.costs import Products, distances
from framework.fusion.plans import Coupled, Plan, State
from framework.fusion.rows import Weights
from framework.fusion.solvers import assigned, blockwise
from framework.seeds import torch_numbers

GAIN = 1e-9  # of (1), relative to its scale, below which a new assignment is a tie


def weight_matching(
    model: State, reference: State, bases: Sequence[Basis], config: WeightMatching
) -> dict[str, Coupled]:
    """A permutation for every basis, by name; its cost is the mean squared distance between units."""
    generator = torch_numbers(config.seed)
    best: dict[str, Coupled] = {}
    for _ in range(config.starts):
        search = Search(model, reference, bases)
        search.run(config.passes, generator)
        found = {basis.name: search.coupled(basis) for basis in bases}
        if not best or _total(found, bases) < _total(best, bases):
            best = found
    return best


class Search:
    """Coordinate ascent on (1) from the identity."""

    def __init__(self, model: State, reference: State, bases: Sequence[Basis]) -> None:
        self.bases = bases
        self.plans = {basis.name: Plan.identity(basis.size) for basis in bases}
        self.weights = Weights(model, reference, bases, bases, normalise_rows=False)
        names = {place.name for basis in bases for place in weighed(basis)}
        self.scale = sum(float(reference[name].double().square().sum()) for name in names)

    def run(self, passes: int, generator: torch.Generator) -> None:
        """Rounds over all bases, until one changes nothing or there were `passes`."""
        tied = ties(self.bases)
        for _ in range(passes):
            order = torch.randperm(len(tied), generator=generator).tolist()
            better = [self._improve(tied[number]) for number in order]
            if not any(better):
                break

    def coupled(self, basis: Basis) -> Coupled:
        """The plan of `basis` with its cost."""
        plan = self.plans[basis.name]
        index = plan.index if plan.index is not None else torch.arange(basis.size)
        cost_nn = distances(self.products(basis), Ground(squared=True))
        return Coupled(plan, float(cost_nn[index, torch.arange(basis.size)].mean()))

    def products(self, basis: Basis) -> Products:
        """Over all parameters that the basis is on, the other bases as they are."""
        found = [self.weights.product(place, place, self.plans) for place in weighed(basis)]
        return sum(found[1:], found[0])

    def gains(self, basis: Basis) -> Tensor:
        """What (1) gains by putting unit i of the model in place j, (n, n)."""
        return self.products(basis).cross_nm

    def _improve(self, tied: Sequence[Basis]) -> bool:
        gains = [self.gains(basis) for basis in tied]
        orders = best_orders(tied, gains)
        before = sum(_value(gain, self.plans[basis.name].index) for basis, gain in zip(tied, gains, strict=True))
        after = sum(_value(gain, order) for gain, order in zip(gains, orders, strict=True))
        if after - before <= GAIN * self.scale:
            return False
        for basis, order in zip(tied, orders, strict=True):
            self.plans[basis.name] = Plan(index=order)
        return True


def ties(bases: Sequence[Basis]) -> list[list[Basis]]:
    """The bases, those together whose blocks move together."""
    groups: dict[object, list[Basis]] = {}
    for basis in bases:
        groups.setdefault(basis.name if basis.tie is None else basis.tie, []).append(basis)
    return list(groups.values())


def best_orders(tied: Sequence[Basis], gains: Sequence[Tensor]) -> list[Tensor]:
    """Of bases that are tied, the orders (n,) that gain most, by what unit i gains in place j, (n, n) each."""
    return _in_blocks(tied, gains) if tied[0].blocks else [assigned(-gains[0])]


def weighed(basis: Basis) -> list[Place]:
    """The places of a basis on parameters; of one that is on none, all of its places."""
    return [place for place in basis.places if place.role != "counts"] or list(basis.places)


def _value(gain: Tensor, order: Tensor | None) -> float:
    if order is None:
        raise ValueError("a permutation is needed")
    return float(gain[order, torch.arange(len(order))].sum())


def _in_blocks(tied: Sequence[Basis], gains: Sequence[Tensor]) -> list[Tensor]:
    """Blocks as wholes, by the best that their insides can reach; the insides each for itself."""
    cost_BB = torch.zeros(len(tied[0].blocks), len(tied[0].blocks), dtype=torch.float64)
    for basis, gain in zip(tied, gains, strict=True):
        units = torch.stack(basis.blocks)
        cost_BB += blockwise(-gain, units, units)
    outer = assigned(cost_BB).tolist()
    orders = []
    for basis, gain in zip(tied, gains, strict=True):
        order = torch.empty(basis.size, dtype=torch.int64)
        for target_block, block in enumerate(outer):
            units, target_units = basis.blocks[block], basis.blocks[target_block]
            order[target_units] = units[assigned(-gain[units][:, target_units])]
        orders.append(order)
    return orders


def _total(found: dict[str, Coupled], bases: Sequence[Basis]) -> float:
    return sum(found[basis.name].cost * basis.size for basis in bases)
