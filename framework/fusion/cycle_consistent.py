"""Cycle-consistent matching of any number of models: every model is permuted into one universe.

    max over permutations P_p   f(P) = Σ_{p<q} Σ over parameters <P_p W_p, P_q W_q>                             (1)

P_p W_p is a parameter of model p with all of its axes carried along p's permutations. What leads from model p to
model q is P_qᵀ P_p, so that every cycle of models closes, whatever is found, and no model is the reference
(Crisostomi, Fumero, Baieri, Bernard and Rodolà, "C²M³: cycle-consistent multi-model merging", 2024, section 3).

Frank-Wolfe over doubly stochastic matrices X_p (ibid., algorithm 1; Frank and Wolfe, 1956), all models and bases
in each step. With Y_p = X_p W_p and S = Σ_p Y_p,

    f = (‖S‖² - Σ_p ‖Y_p‖²) / 2                                                                                 (2)
    ∂f / ∂X_p[i, j] = <W_p's unit i, all else carried, (S - Y_p)'s unit j>                                      (3)
    D_p = the permutations of most <∂f / ∂X_p, D_p>:  an assignment for each model and basis                    (4)
    X ← X + γ (D - X),  γ in [0, 1] of largest f                                                                (5)

Y_p is a polynomial in γ of degree d, the number of a parameter's axes that have units (1 or 2), f one of degree
2 d, whose largest value is found exactly. No step makes f smaller. The matrices are rounded to permutations by
assignments, from where steps of (4) for one model and basis at a time go on while f grows: rounding can lose some
of it, and between vertices there is none to be lost.

Everything starts from the order that units have, alike for all models, so that the order of the models does not
matter. Running statistics are no parameters: they are carried along, and say nothing.

Shapes: n units of a basis.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.fusion.bases import Basis, Place
from framework.fusion.config import CycleConsistent
from framework.fusion.plans import Coupled, Plan, State
from framework.fusion.rows import rows_of
from framework.fusion.symmetry import random_plans
from framework.fusion.transport import along, opened
from framework.fusion.weight_matching import Search, best_orders, ties, weighed

Numbers = npt.NDArray[np.float64]
Own = dict[str, Plan]  # the plans of one model into the universe, by the name of their basis
Moved = dict[str, list[Tensor]]  # of each model, by the name of a parameter
GAIN = 1e-9  # of (1), relative to its scale, below which a new assignment is a tie
ROUNDS = 100


def cycle_consistent(
    states: Sequence[State], bases: Sequence[Basis], config: CycleConsistent
) -> list[dict[str, Coupled]]:
    """Of each model but the first the permutations that lead to the first, by the name of their basis; their cost
    is the mean squared distance between units.
    """
    if not bases:  # a single layer
        return [{} for _ in states[1:]]
    own = into_universe(Universe(states, bases), config)
    return [_to_first(states, bases, own, number) for number in range(1, len(states))]


def into_universe(universe: "Universe", config: CycleConsistent) -> list[Own]:
    """The permutations of each model into the universe, the best of all starts."""
    seeds = [None, *range(config.seed, config.seed + config.starts - 1)]
    found = [universe.rounded(universe.climbed(universe.start(seed), config, [])) for seed in seeds]
    return max(found, key=universe.value)


def _to_first(
    states: Sequence[State], bases: Sequence[Basis], own: Sequence[Own], number: int
) -> dict[str, Coupled]:
    """The plans of model `number` into the universe, and from there back to the first."""
    search = Search(states[number], states[0], bases)
    for basis in bases:
        back = _order(own[0], basis).argsort()
        search.plans[basis.name] = Plan(index=_order(own[number], basis)[back])
    return {basis.name: search.coupled(basis) for basis in bases}


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
        return [
            random_plans(self.bases, seed * len(self.turns) + turn) for turn in np.argsort(self.turns).tolist()
        ]

    def carried(self, number: int, name: str, own: Own, but: Place | None = None) -> Tensor:
        """A parameter of model `number` along its plans, on all places `but` one."""
        pairs = [(place, place, own[basis.name]) for basis, place in self.axes[name] if place is not but]
        return along(self.weights[number][name], pairs)

    def moved(self, found: Sequence[Own], names: Iterable[str]) -> Moved:
        """Y of each model, of each of `names`."""
        return {name: [self.carried(number, name, own) for number, own in enumerate(found)] for name in names}

    def value(self, found: Sequence[Own], names: Iterable[str] | None = None) -> float:
        """Equation (2), over all parameters or those of `names`."""
        moved = self.moved(found, self.axes if names is None else names)
        return sum(
            float(torch.stack(of).sum(0).square().sum() - torch.stack(of).square().sum()) / 2
            for of in moved.values()
        )

    def gradient(
        self, found: Sequence[Own], number: int, bases: Sequence[Basis], moved: Moved | None = None
    ) -> list[Tensor]:
        """Equation (3) for model `number`, (n, n) of each of `bases`; `moved` is Y of all, where it is known."""
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
        """The coefficients of f on the line (5), the constant first: Y_p is interpolated at d + 1 places."""
        moved = moved or self.moved(found, self.axes)
        degree = max(len({place.axis for _, place in of}) for of in self.axes.values())
        nodes = np.arange(degree + 1) / degree
        to_powers = torch.from_numpy(np.linalg.inv(np.vander(nodes, increasing=True)))
        steps = [_between(found, towards, node) for node in nodes[1:]]
        products = torch.zeros(degree + 1, degree + 1, dtype=torch.float64)  # of powers of γ with one another
        for name in self.axes:
            at_nodes = [moved[name], *(self.moved(step, [name])[name] for step in steps)]
            powers = [to_powers @ torch.stack(of_model).flatten(1) for of_model in zip(*at_nodes, strict=True)]
            total = torch.stack(powers).sum(0)
            products += (total @ total.T - sum(power @ power.T for power in powers)) / 2
        mirrored = products.flip(0).numpy()
        return np.array([np.trace(mirrored, offset) for offset in range(-degree, degree + 1)])

    def climbed(self, found: Sequence[Own], config: CycleConsistent, values: list[float]) -> Sequence[Own]:
        """Frank-Wolfe from `found`: the matrices where it ends. f of each step is put into `values`."""
        for _ in range(config.iterations):
            moved = self.moved(found, self.axes)
            towards = [self._vertex(self.gradient(found, number, self.bases, moved)) for number in self.numbers]
            line = self.line(found, towards, moved)
            step, highest = _highest(line)
            values.append(float(line[0]))
            if highest - line[0] <= config.tolerance * self.scale:
                break
            found = _between(found, towards, step)
        return found

    def rounded(self, found: Sequence[Own]) -> list[Own]:
        """The permutations nearest to `found`, and from there upwards, one model and basis at a time."""
        made = [self._vertex([own[basis.name].rows() for basis in self.bases]) for own in found]
        for _ in range(ROUNDS):
            turns = [(number, tied) for tied in ties(self.bases) for number in self.turns]
            if not sum(self._improved(made, *turn) for turn in turns):
                break
        return made

    def _vertex(self, gains: Sequence[Tensor]) -> Own:
        """Equation (4) for one model; `gains` (n, n) are of each basis."""
        of = {basis.name: gain for basis, gain in zip(self.bases, gains, strict=True)}
        return {
            basis.name: Plan(index=order)
            for tied in ties(self.bases)
            for basis, order in zip(tied, best_orders(tied, [of[basis.name] for basis in tied]), strict=True)
        }

    def _improved(self, made: list[Own], number: int, tied: Sequence[Basis]) -> bool:
        """Whether a better place was found, and taken, for the units of a model; in `made`."""
        orders = best_orders(tied, self.gradient(made, number, tied))
        changed = {basis.name: Plan(index=order) for basis, order in zip(tied, orders, strict=True)}
        trial = [own if other != number else own | changed for other, own in enumerate(made)]
        names = dict.fromkeys(place.name for basis in tied for place in weighed(basis))
        # Not only the assignment's own value: a basis on both axes of a parameter counts there twice.
        if self.value(trial, names) - self.value(made, names) <= GAIN * self.scale:
            return False
        made[number] = trial[number]
        return True


def _between(found: Sequence[Own], towards: Sequence[Own], step: float) -> Sequence[Own]:
    """Equation (5)."""
    if step in (0, 1):  # plans that are permutations stay so, which are quicker to follow
        return towards if step else found
    return [
        {name: Plan(coupling=(1 - step) * plan.rows() + step * target[name].rows()) for name, plan in own.items()}
        for own, target in zip(found, towards, strict=True)
    ]


def _highest(line: Numbers) -> tuple[float, float]:
    """Where in [0, 1] a polynomial, the constant first, is largest, and how large."""
    roots = np.roots(np.polynomial.polynomial.polyder(line)[::-1])
    places = np.array(
        [0.0, 1.0, *(root.real for root in roots if 0 < root.real < 1)]
    )  # values tell the false ones
    values = np.polynomial.polynomial.polyval(places, line)
    return float(places[values.argmax()]), float(values.max())


def _order(own: Own, basis: Basis) -> Tensor:
    index = own[basis.name].index
    if index is None:
        raise ValueError("a permutation is needed")
    return index
