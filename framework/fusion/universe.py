"""One universe for the units of several models: the objective of cycle-consistent matching and its derivative.

With X_p the permutations of model p, or doubly stochastic matrices, Y_p = X_p W_p a parameter with all of its axes
carried along them, and S = Σ_p Y_p, over all parameters,

    f = Σ_{p<q} <Y_p, Y_q> = (‖S‖² - Σ_p ‖Y_p‖²) / 2                                                            (1)
    ∂f / ∂X_p[i, j] = <W_p's unit i, all else carried, (S - Y_p)'s unit j>                                      (2)
    X ← X + γ (D - X)                                                                                           (3)

(Crisostomi, Fumero, Baieri, Bernard and Rodolà, "C²M³: cycle-consistent multi-model merging", 2024, section 3.)
Y_p is a polynomial in γ of degree d, the number of a parameter's axes that have units (1 or 2), f one of degree
2 d.

Running statistics are no parameters: they are carried along, and say nothing.

Shapes: n units of a basis.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.fusion.bases import Basis, Place
from framework.fusion.plans import Plan, State
from framework.fusion.rows import rows_of
from framework.fusion.symmetry import random_plans
from framework.fusion.transport import along, opened
from framework.fusion.weight_matching import weighed
from framework.seeds import unsigned

Numbers = npt.NDArray[np.float64]
Own = dict[str, Plan]  # the plans of one model into the universe, by the name of their basis
Moved = dict[str, list[Tensor]]  # of each model, by the name of a parameter


class Universe:
    """Equation (1) of the models `states`, which have the same `bases`.

    What goes model by model takes its `turns` by their norms, which no permutation of units or models changes.
    """

    def __init__(self, states: Sequence[State], bases: Sequence[Basis]) -> None:
        self.bases = bases
        self.axes: dict[str, list[tuple[Basis, Place]]] = {}
        for name in dict.fromkeys(place.name for basis in bases for place in weighed(basis)):
            of = [(basis, place) for basis in bases for place in basis.places if place.name == name]
            self.axes[name] = of
        groups = {name: max(place.groups for _, place in of) for name, of in self.axes.items()}
        self.weights = [
            {name: opened(state[name].detach().cpu().double(), groups[name]) for name in self.axes}
            for state in states
        ]
        norms = [sum(float(weight.square().sum()) for weight in own.values()) for own in self.weights]
        self.scale = sum(norms)
        self.numbers = range(len(states))
        self.turns = [int(number) for number in np.argsort(norms, kind="stable")]

    def start(self, seed: int | None) -> list[Own]:
        """Every unit where it is, or where chance puts it."""
        if seed is None:
            return [{basis.name: Plan.identity(basis.size) for basis in self.bases} for _ in self.numbers]
        first = seed * len(self.turns)
        return [random_plans(self.bases, unsigned(first + turn)) for turn in np.argsort(self.turns).tolist()]

    def carried(self, number: int, name: str, own: Own, but: Place | None = None) -> Tensor:
        """A parameter of model `number` along its plans, on all places `but` one."""
        pairs = [(place, place, own[basis.name]) for basis, place in self.axes[name] if place is not but]
        return along(self.weights[number][name], pairs)

    def moved(self, found: Sequence[Own], names: Iterable[str]) -> Moved:
        """Y of each model, of each of `names`."""
        return {name: [self.carried(number, name, own) for number, own in enumerate(found)] for name in names}

    def value(self, found: Sequence[Own], names: Iterable[str] | None = None) -> float:
        """Equation (1), over all parameters or those of `names`."""
        moved = self.moved(found, self.axes if names is None else names)
        return sum(
            float(torch.stack(of).sum(0).square().sum() - torch.stack(of).square().sum()) / 2
            for of in moved.values()
        )

    def gradient(
        self, found: Sequence[Own], number: int, bases: Sequence[Basis], moved: Moved | None = None
    ) -> list[Tensor]:
        """Equation (2) for model `number`, (n, n) of each of `bases`; `moved` is Y of all, where it is known."""
        sums = {basis.name: torch.zeros(basis.size, basis.size, dtype=torch.float64) for basis in bases}
        for name, of in self.axes.items():
            asked = [(basis, place) for basis, place in of if basis.name in sums]
            if not asked:
                continue
            at_name = moved[name] if moved else self.moved(found, [name])[name]
            others = torch.stack(at_name).sum(0) - at_name[number]
            for basis, place in asked:
                units_nD = rows_of(self.carried(number, name, found[number], but=place), place)
                sums[basis.name] += units_nD @ rows_of(others, place).T
        return list(sums.values())

    def line(self, found: Sequence[Own], towards: Sequence[Own], moved: Moved | None = None) -> Numbers:
        """The coefficients of f on the line (3), the constant first: Y_p is interpolated at d + 1 places."""
        moved = moved or self.moved(found, self.axes)
        degree = max(len({place.axis for _, place in of}) for of in self.axes.values())
        nodes = np.arange(degree + 1) / degree
        to_powers = torch.from_numpy(np.linalg.inv(np.vander(nodes, increasing=True)))
        steps = [between(found, towards, node) for node in nodes[1:]]
        products = torch.zeros(degree + 1, degree + 1, dtype=torch.float64)  # of powers of γ with one another
        for name in self.axes:
            at_nodes = [moved[name], *(self.moved(step, [name])[name] for step in steps)]
            powers = [to_powers @ torch.stack(of_model).flatten(1) for of_model in zip(*at_nodes, strict=True)]
            total = torch.stack(powers).sum(0)
            products += (total @ total.T - sum(power @ power.T for power in powers)) / 2
        mirrored = products.flip(0).numpy()
        return np.array([np.trace(mirrored, offset) for offset in range(-degree, degree + 1)])


def between(found: Sequence[Own], towards: Sequence[Own], step: float) -> Sequence[Own]:
    """Equation (3)."""
    if step in (0, 1):  # plans that are permutations stay so, which are quicker to follow
        return towards if step else found
    return [
        {name: Plan(coupling=(1 - step) * plan.rows() + step * target[name].rows()) for name, plan in own.items()}
        for own, target in zip(found, towards, strict=True)
    ]
