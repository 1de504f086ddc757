"""The layer loop of the published code, as its paper and section 1.5 of its description have it, written plainly.

Model 0 is carried into the basis of model 1, the last layer too. For networks whose layers stand one behind the
other, without bias: a list of weights (out, in[, k, k]).
"""

import numpy as np
import ot
import torch

NO_PRODUCTS = "donot_use_mm_for_euclid_dist"


def published_plans(weights0, weights1, compute_mode=NO_PRODUCTS):
    """Plans scaled to columns that sum to 1, the costs, and the aligned weights.

    `compute_mode` is torch.cdist's. By products (its default for long rows) it is faster, with fewer digits.
    """
    previous, plans, costs, aligned = None, [], [], []
    for w0, w1 in zip(weights0, weights1, strict=True):
        previous, cost, moved = published_layer(w0, w1, previous, compute_mode)
        plans.append(previous)
        costs.append(cost)
        aligned.append(moved)
    return plans, costs, aligned


def published_layer(w0, w1, previous, compute_mode=NO_PRODUCTS):
    """One layer behind units that `previous` carries: its plan, the cost, and the aligned weight."""
    out = len(w0)
    if previous is not None:
        if w0.ndim == 4:
            kernel = w0.shape[2] * w0.shape[3]
            positions = w0.reshape(out, w0.shape[1], kernel).permute(2, 0, 1)
            moved = torch.bmm(positions, previous.expand(kernel, *previous.shape))
            w0 = moved.permute(1, 2, 0).reshape(out, previous.shape[1], *w0.shape[2:])
        elif w0.shape[1] != len(previous):
            w0 = torch.einsum("och,cd->odh", w0.reshape(out, len(previous), -1), previous).reshape(out, -1)
        else:
            w0 = w0 @ previous
    rows = [w.reshape(len(w), -1) for w in (w0, w1)]
    rows = [row / (row.norm(dim=1, keepdim=True) + 1e-9) for row in rows]
    cost = torch.cdist(*rows, compute_mode=compute_mode).double().numpy()
    mass = [np.full(len(w), 1 / len(w)) for w in (w0, w1)]
    plan = ot.emd(*mass, cost, numItermax=10**6)
    scaled = torch.from_numpy(plan / (mass[1] + 1e-7)).float()
    return scaled, float((plan * cost).sum()), torch.tensordot(scaled.T, w0, dims=1)
