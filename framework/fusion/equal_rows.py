"""Units whose rows are equal, but for their order: matched by sorting, with no costs between all pairs.

A plan whose every pair has equal rows costs nothing, and no plan costs less. So where one is found it is the exact
solution, whatever the distance, in O(n D) instead of O(n² D). Copies of one model in other orders, and the layers
that two models share, are of this kind; for all others the lengths of the rows tell at once that there is nothing
to find.

Shapes: n units of a basis, D numbers a unit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.fusion.bases import Basis
from framework.fusion.plans import Plan, Plans
from framework.fusion.rows import Weights, rows_of
from framework.fusion.transport import opened

ALIKE = 1e-4  # relative difference of lengths that rounding leaves


class EqualRows:
    """Plans of no cost, where there are such."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.alike: dict[tuple[int, int], bool] = {}

    def plans(self, numbers: Sequence[int], plans: Plans) -> tuple[list[Plan], bool] | None:
        """A plan for each of the bases `numbers`, which are tied, and whether all of their writers were ready.

        None, where no writer is ready, or rows are not equal, or do not keep together in blocks.
        """
        orders: list[Tensor | None] = []
        all_complete, outer = True, None
        for number in numbers:
            ready, complete = self.weights.writers(number, plans)
            all_complete &= complete
            order = self._order(number, [index for layer in ready for index in layer], plans) if ready else None
            if ready and order is None:
                return None
            basis, target = self.weights.bases[number], self.weights.target[number]
            if order is not None and basis.blocks:
                moved = blocks_moved(order, basis, target)
                if moved is None or (outer is not None and moved != outer):
                    return None
                outer = moved
            orders.append(order)
        if all(order is None for order in orders):
            return None
        return [
            Plan(index=order if order is not None else self._unknown(number, outer))
            for number, order in zip(numbers, orders, strict=True)
        ], all_complete

    def _unknown(self, number: int, outer: Sequence[int] | None) -> Tensor:
        """Blocks as the others of the tie have them, whose insides nothing tells yet."""
        basis, target = self.weights.bases[number], self.weights.target[number]
        index = torch.arange(target.size)
        for target_block, block in enumerate(outer or ()):
            index[target.blocks[target_block]] = basis.blocks[block]
        return index

    def _order(self, number: int, indices: Sequence[int], plans: Plans) -> Tensor | None:
        basis, target = self.weights.bases[number], self.weights.target[number]
        if basis.size != target.size or not all(self._is_alike(number, index) for index in indices):
            return None
        pairs = [self.weights.rows(basis.places[index], target.places[index], plans) for index in indices]
        keys = [torch.zeros(basis.size, dtype=torch.float64) for _ in range(2)]
        for pair in pairs:
            generator = torch.Generator().manual_seed(pair[0].shape[1])
            direction_D = torch.rand(pair[0].shape[1], generator=generator, dtype=torch.float64)
            for side, rows_nD in enumerate(pair):
                keys[side] += (rows_nD @ direction_D.to(rows_nD)).cpu()
        index = torch.empty(basis.size, dtype=torch.int64)
        index[keys[1].argsort()] = keys[0].argsort()
        equal = all(torch.equal(model_nD[index.to(model_nD.device)], theirs) for model_nD, theirs in pairs)
        return index if equal else None

    def _is_alike(self, number: int, index: int) -> bool:
        """Whether both models have rows of the same lengths: they do not depend on the order of columns."""
        if (number, index) not in self.alike:
            lengths = []
            for state, basis in (
                (self.weights.model, self.weights.bases[number]),
                (self.weights.reference, self.weights.target[number]),
            ):
                place = basis.places[index]
                lengths.append(rows_of(opened(state[place.name], place.groups), place).norm(dim=1).sort().values)
            within = ALIKE * lengths[1].max()
            self.alike[number, index] = bool((lengths[0] - lengths[1]).abs().max() <= within)
        return self.alike[number, index]


def blocks_moved(order: Tensor, basis: Basis, target: Basis) -> list[int] | None:
    """For each block of the reference the model's block that `order` brings there; None if it tears one."""
    block_of = torch.empty(basis.size, dtype=torch.int64)
    for number, units in enumerate(basis.blocks):
        block_of[units] = number
    found = []
    for units in target.blocks:
        sources = block_of[order[units]]
        if bool((sources != sources[0]).any()):
            return None
        found.append(int(sources[0]))
    return found
