"""The plans of `ot.py` with less work. No plan differs; a test holds both side by side.

    remembered steps    a layer whose rows are read through the same plans as in the last sweep has the same plan
    remembered rows     a writer of a stream whose rows are read through the same plans has the same products
    equal rows          rows that are equal but for their order are matched by sorting (`equal_rows.py`)

Plans are the same where their `key` is: what counts is what they hold.
"""

from collections.abc import Mapping, Sequence

from framework.fusion.bases import Place
from framework.fusion.config import OT
from framework.fusion.costs import Products
from framework.fusion.equal_rows import EqualRows
from framework.fusion.ot import Match, matching, transport_plans
from framework.fusion.plans import Coupled, Matched, Plans
from framework.fusion.rows import Weights, compared, layers_of

ROOM = 2**28  # bytes of products that are remembered between sweeps
Keys = tuple[bytes | None, ...]


def quick_transport_plans(
    weights: Weights, config: OT, products: Mapping[str, Products], known: Mapping[str, Coupled] | None = None
) -> dict[str, Coupled]:
    """`transport_plans`, by all three shortcuts.

    Raises:
        InvalidInput: as that does.
    """
    weights = RememberedRows(weights)
    match = matching(weights, config, products)
    if config.marginals == "uniform" and config.solver in ("exact", "assignment"):
        match = equal_rows_first(weights, products, match)
    return transport_plans(weights, config, products, known, remembered(weights, products, match))


def keys(weights: Weights, numbers: Sequence[int], plans: Plans) -> Keys:
    """What the rows of these bases are read through: the key of each plan, None where there is none yet."""
    places = [
        weights.bases[number].places[index]
        for number in numbers
        for index in compared(weights.bases[number], ["writes"])
    ]
    return tuple(key for place in places for key in keys_of(weights, place, plans))


def keys_of(weights: Weights, place: Place, plans: Plans) -> Keys:
    """What the rows of one place are read through."""
    return tuple(plans[other.name].key if other.name in plans else None for other in weights.others(place))


def remembered(weights: Weights, products: Mapping[str, Products], match: Match) -> Match:
    """`match`, which is asked again only where the rows are read through other plans than the last time."""
    last: dict[int, tuple[Keys, Matched]] = {}

    def recall(numbers: Sequence[int], plans: Plans) -> Matched:
        by_rows = [number for number in numbers if weights.bases[number].name not in products]
        through = keys(weights, by_rows, plans)
        if numbers[0] not in last or last[numbers[0]][0] != through:
            last[numbers[0]] = through, match(numbers, plans)
        return last[numbers[0]][1]

    return recall


def equal_rows_first(weights: Weights, products: Mapping[str, Products], match: Match) -> Match:
    """`match`, but bases whose rows are equal up to their order are matched by that."""
    equal = EqualRows(weights)

    def sort_or_match(numbers: Sequence[int], plans: Plans) -> Matched:
        names = [weights.bases[number].name for number in numbers]
        found = None if any(name in products for name in names) else equal.plans(numbers, plans)
        if found is None:
            return match(numbers, plans)
        return Matched({name: Coupled(plan, 0.0) for name, plan in zip(names, found[0], strict=True)}, found[1])

    return sort_or_match


class RememberedRows(Weights):
    """`Weights` that remember the products of the writers of streams, as far as there is room.

    What only one layer writes is compared once, and not remembered.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__(
            weights.model,
            weights.reference,
            weights.bases,
            weights.target,
            normalise_rows=weights.normalise_rows,
        )
        self.streams = [len(layers_of(basis, compared(basis, ["writes"]))) > 1 for basis in self.bases]
        self.room = ROOM
        self.kept: dict[tuple[int, int], tuple[Keys, Products]] = {}

    def of_writer(self, number: int, index: int, plans: Plans) -> Products:
        """As `Weights.of_writer`."""
        through = keys_of(self, self.bases[number].places[index], plans)
        before = self.kept.get((number, index))
        if before is not None and before[0] == through:
            return before[1]
        found = super().of_writer(number, index, plans)
        if self.streams[number] and (before is not None or found.cross_nm.nbytes <= self.room):
            self.room -= 0 if before is not None else found.cross_nm.nbytes
            self.kept[number, index] = through, found
        return found
