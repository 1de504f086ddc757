"""Gromov-Wasserstein plans: units are matched by how far they are from the other units of their own model.

    min over T   Σ L(A_ik, B_jl) T_ij T_kl,   A = distances within the model, B = within the reference        (1)

(Peyré, Cuturi and Solomon, "Gromov-Wasserstein averaging of kernel and distance matrices", 2016, equation 5.) The
distances between rows do not depend on the order of the columns, so that no plan waits for another. The problem is
not convex; POT's conditional gradient finds a local minimum, from each of two starts, of which the better is kept.
What it needs are distances that differ: of n units all at one distance every plan costs the same. Bases in blocks
(heads, groups) have too few units to be told apart this way; they are matched by optimal transport.

Shapes: n units of the model, m of the reference.
"""

import warnings
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis
from framework.fusion.config import GW, OT
from framework.fusion.costs import Products, distances, total
from framework.fusion.plans import Coupled, Plan, State
from framework.fusion.rows import Weights, compared, layers_of, masses_of, rows_of
from framework.fusion.shortcuts import quick_transport_plans
from framework.fusion.solvers import MOST_ITERATIONS, assigned

WITHIN = 1e-6  # relative change of (1) at which it ends


def gromov(
    weights: Weights,
    config: GW,
    within_model: Mapping[str, Products],
    within_reference: Mapping[str, Products],
) -> dict[str, Coupled]:
    """A plan for every basis, by name. `within_…` are products of activations of each model with itself; without
    them rows are compared.

    Raises:
        InvalidInput: no plan was found.
    """
    found = {}
    for number, (basis, target) in enumerate(zip(weights.bases, weights.target, strict=True)):
        if basis.blocks:
            continue
        pairs = ((weights.model, basis, within_model), (weights.reference, target, within_reference))
        costs = [
            distances(products.get(basis.name) or _rows(state, part, config.normalise_rows), config.ground)
            for state, part, products in pairs
        ]
        masses = masses_of(weights, number, config.marginals)
        found[basis.name] = _matched(costs[0], costs[1], masses[0], masses[1], config, basis.name)
    by_rows = OT(normalise_rows=config.normalise_rows, marginals=config.marginals, ground=config.ground)
    return quick_transport_plans(weights, by_rows, {}, known=found)


def _rows(state: State, basis: Basis, normalise: bool) -> Products:
    found = []
    for layer in layers_of(basis, compared(basis, ["writes"])):
        rows = [rows_of(state[basis.places[index].name], basis.places[index]) for index in layer]
        piece = total([Products.of(part, part) for part in rows])
        found.append(piece.normalised() if normalise else piece)
    return total(found)


def _matched(a_nn: Tensor, b_mm: Tensor, mass_n: Tensor, mass_m: Tensor, config: GW, name: str) -> Coupled:
    """The best of the local minima that are reached from the starts."""
    found = []
    for start_nm in _starts(a_nn, b_mm, mass_n, mass_m):
        coupling, cost, converged = _descended(a_nn, b_mm, mass_n, mass_m, start_nm, config)
        if np.isfinite(coupling).all() and coupling.sum() > 0:
            plan = Plan(coupling=torch.from_numpy(coupling), converged=converged)
            found.append(Coupled(plan, cost))
    if not found:
        raise InvalidInput(
            [Problem(name, f"method gw with reg={config.reg} gave no plan; use a larger reg, or 0")]
        )
    return min(found, key=lambda coupled: coupled.cost)


def _starts(a_nn: Tensor, b_mm: Tensor, mass_n: Tensor, mass_m: Tensor) -> list[np.ndarray]:
    """Couplings to begin at: the plan between profiles of distances, and no knowledge at all.

    The profile of a unit is its distances to all others in the order of size, whatever they are called (Mémoli,
    "Gromov-Wasserstein distances and the metric approach to object matching", 2011, third lower bound). From the
    uniform coupling alone the first step sees no more than each unit's mean distance, which of many units differs
    by little, and the descent ends in a poor minimum.
    """
    import ot  # type: ignore[import-untyped]

    places = torch.linspace(0, 1, max(len(a_nn), len(b_mm)), dtype=torch.float64)
    profiles = [_quantiles(d.sort(dim=1).values, places) for d in (a_nn, b_mm)]
    cost_nm = torch.cdist(profiles[0], profiles[1], compute_mode="donot_use_mm_for_euclid_dist").square()
    if len(a_nn) == len(b_mm) and torch.equal(mass_n, mass_m) and bool((mass_n == mass_n[0]).all()):
        by_profile = Plan(index=assigned(cost_nm)).matrix().numpy()
    else:
        by_profile = np.asarray(
            ot.emd(mass_n.numpy(), mass_m.numpy(), cost_nm.numpy(), numItermax=MOST_ITERATIONS)
        )
    return [by_profile, torch.outer(mass_n, mass_m).numpy()]


def _quantiles(sorted_nk: Tensor, places: Tensor) -> Tensor:
    """Rows of sorted numbers read at `places` in [0, 1], so that rows of two lengths can be compared."""
    at = places * (sorted_nk.shape[1] - 1)
    low = at.floor().long()
    high = (low + 1).clamp_max(sorted_nk.shape[1] - 1)
    return sorted_nk[:, low] + (sorted_nk[:, high] - sorted_nk[:, low]) * (at - low)


def _descended(
    a_nn: Tensor,
    b_mm: Tensor,
    mass_n: Tensor,
    mass_m: Tensor,
    start_nm: np.ndarray,
    config: GW,
) -> tuple[np.ndarray, float, bool]:
    """A coupling at a local minimum, its cost, and whether the solver came to an end."""
    import ot

    loss = {"square": "square_loss", "kl": "kl_loss"}[config.loss]
    arrays = (a_nn.numpy(), b_mm.numpy(), mass_n.numpy(), mass_m.numpy())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if config.reg:
            solved = ot.gromov.entropic_gromov_wasserstein(
                *arrays, loss, epsilon=config.reg, G0=start_nm, log=True
            )
        else:
            solved = ot.gromov.gromov_wasserstein(*arrays, loss, G0=start_nm, tol_rel=WITHIN, log=True)
    return np.asarray(solved[0]), float(solved[1]["gw_dist"]), not caught
