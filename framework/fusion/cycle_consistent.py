"""Cycle-consistent matching of any number of models: every model is permuted into one universe.

    max over permutations P_p   f(P) = Σ_{p<q} Σ over parameters <P_p W_p, P_q W_q>                             (1)

What leads from model p to model q is P_qᵀ P_p, so that every cycle of models closes, whatever is found, and no
model is the reference (Crisostomi, Fumero, Baieri, Bernard and Rodolà, "C²M³: cycle-consistent multi-model
merging", 2024, section 3).

Frank-Wolfe over doubly stochastic matrices X_p (ibid., algorithm 1; Frank and Wolfe, 1956), all models and bases
in each step:

    D_p = the permutations of most <∂f / ∂X_p, D_p>:  an assignment for each model and basis                    (2)
    X ← X + γ (D - X),  γ in [0, 1] of largest f, a polynomial in γ (`universe.py`)                             (3)

No step makes f smaller. The matrices are rounded to permutations by assignments, from where steps of (2) for one
model and basis at a time go on while f grows: rounding can lose some of it.

Everything starts from the order that units have, alike for all models, so that the order of the models does not
matter.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from framework.fusion.bases import Basis
from framework.fusion.config import CycleConsistent
from framework.fusion.plans import Coupled, Plan, State
from framework.fusion.universe import Numbers, Own, Universe, between
from framework.fusion.weight_matching import Search, best_orders, ties, weighed

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


def into_universe(universe: Universe, config: CycleConsistent) -> list[Own]:
    """The permutations of each model into the universe, the best of all starts."""
    seeds = [None, *range(config.seed, config.seed + config.starts - 1)]
    found = [rounded(universe, climbed(universe, universe.start(seed), config, [])) for seed in seeds]
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


def climbed(
    universe: Universe, found: Sequence[Own], config: CycleConsistent, values: list[float]
) -> Sequence[Own]:
    """Frank-Wolfe from `found`: the matrices where it ends. f of each step is put into `values`."""
    for _ in range(config.iterations):
        moved = universe.moved(found, universe.axes)
        towards = [
            vertex(universe, universe.gradient(found, number, universe.bases, moved))
            for number in universe.numbers
        ]
        line = universe.line(found, towards, moved)
        step, highest = _highest(line)
        values.append(float(line[0]))
        if highest - line[0] <= config.tolerance * universe.scale:
            break
        found = between(found, towards, step)
    return found


def rounded(universe: Universe, found: Sequence[Own]) -> list[Own]:
    """The permutations nearest to `found`, and from there upwards, one model and basis at a time."""
    made = [vertex(universe, [own[basis.name].rows() for basis in universe.bases]) for own in found]
    for _ in range(ROUNDS):
        turns = [(number, tied) for tied in ties(universe.bases) for number in universe.turns]
        if not sum(_improved(universe, made, *turn) for turn in turns):
            break
    return made


def vertex(universe: Universe, gains: Sequence[Tensor]) -> Own:
    """Equation (2) for one model; `gains` (n, n) are of each basis."""
    of = {basis.name: gain for basis, gain in zip(universe.bases, gains, strict=True)}
    return {
        basis.name: Plan(index=order)
        for tied in ties(universe.bases)
        for basis, order in zip(tied, best_orders(tied, [of[basis.name] for basis in tied]), strict=True)
    }


def _improved(universe: Universe, made: list[Own], number: int, tied: Sequence[Basis]) -> bool:
    """Whether a better place was found, and taken, for the units of a model; in `made`."""
    orders = best_orders(tied, universe.gradient(made, number, tied))
    changed = {basis.name: Plan(index=order) for basis, order in zip(tied, orders, strict=True)}
    trial = [own if other != number else own | changed for other, own in enumerate(made)]
    names = dict.fromkeys(place.name for basis in tied for place in weighed(basis))
    # Not only the assignment's own value: a basis on both axes of a parameter counts there twice.
    if universe.value(trial, names) - universe.value(made, names) <= GAIN * universe.scale:
        return False
    made[number] = trial[number]
    return True


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
