"""Gromov-Wasserstein plans: units are matched by how far they are from the other units of their own model.

    min over T   Σ L(A_ik, B_jl) T_ij T_kl,   A = distances within the model, B = within the reference        (1)

(Peyré, Cuturi and Solomon, "Gromov-Wasserstein averaging of kernel and distance matrices", 2016, equation 5.) The
distances between rows do not depend on the order of the columns, so that no plan waits for another. The problem is
not convex; POT's conditional gradient finds a local minimum. Bases in blocks (heads, groups) have too few units to
be told apart this way; they are matched by optimal transport.

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
from framework.fusion.features import Weights, compared, layers_of, rows_of
from framework.fusion.layerwise import Coupled, layerwise, masses_of
from framework.fusion.plans import Plan, State

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
    for number, (basis, goal) in enumerate(zip(weights.bases, weights.target, strict=True)):
        if basis.blocks:
            continue
        pairs = ((weights.model, basis, within_model), (weights.reference, goal, within_reference))
        costs = [
            distances(products.get(basis.name) or _rows(state, part, config.normalise_rows), config.ground)
            for state, part, products in pairs
        ]
        masses = masses_of(weights, number, config.marginals)
        found[basis.name] = _matched(costs[0], costs[1], masses[0], masses[1], config, basis.name)
    by_rows = OT(normalise_rows=config.normalise_rows, marginals=config.marginals, ground=config.ground)
    return layerwise(weights, by_rows, {}, known=found)


def _rows(state: State, basis: Basis, normalise: bool) -> Products:
    found = []
    for layer in layers_of(basis, compared(basis, ["writes"])):
        rows = [rows_of(state[basis.places[index].name], basis.places[index]) for index in layer]
        piece = total([Products.of(part, part) for part in rows])
        found.append(piece.normalised() if normalise else piece)
    return total(found)


def _matched(a_nn: Tensor, b_mm: Tensor, mass_n: Tensor, mass_m: Tensor, config: GW, name: str) -> Coupled:
    import ot  # type: ignore[import-untyped]

    loss = {"square": "square_loss", "kl": "kl_loss"}[config.loss]
    arrays = (a_nn.numpy(), b_mm.numpy(), mass_n.numpy(), mass_m.numpy())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if config.reg:
            coupling, log = ot.gromov.entropic_gromov_wasserstein(*arrays, loss, epsilon=config.reg, log=True)
        else:
            coupling, log = ot.gromov.gromov_wasserstein(*arrays, loss, tol_rel=WITHIN, log=True)
    coupling = np.asarray(coupling)
    if not np.isfinite(coupling).all() or coupling.sum() <= 0:
        raise InvalidInput(
            [Problem(name, f"method gw with reg={config.reg} gave no plan; use a larger reg, or 0")]
        )
    return Coupled(Plan(coupling=torch.from_numpy(coupling), converged=not caught), float(log["gw_dist"]))
