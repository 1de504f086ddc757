"""A stitching layer that is trained on the target's own task: the strongest control for a mapping of latents.

On the anchors x_i with source latents z_i, through the target's frozen decoder or head g,

    A, b = argmin  1/N Σ_i loss(g(A z_i + b), x_i or its class)                                 [1, section 3]  (1)

with the squared error of images on [0, 1], or the cross-entropy. It begins at the ridge fit and takes steps of
Adam in coordinates in which both latent spaces have unit variance; a fifth of the anchors is held out, and the
weights with the least loss on them are kept. Mappings of latents never see an image: so much is lost by that.

[1] Lenc and Vedaldi, "Understanding image representations by measuring their equivariance and equivalence", 2015;
Bansal, Nakkiran and Barak, "Revisiting model stitching to compare neural representations", 2021.

Shapes: N anchors, D source dimensions, E target dimensions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from framework.mappings.base import AffineMapping

EPOCHS, PATIENCE, RATE, BATCH = 300, 40, 0.02, 64
HELD_OUT = 5
"""One of so many anchors is held out; of fewer none."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of target latents (B, E) for the anchors at these positions (B,)."""


def train_on_task(start: AffineMapping, z_ND: Tensor, y_NE: Tensor, loss: Loss, seed: int) -> AffineMapping:
    """Equation (1): a mapping from `start` on, for anchors with source latents (N, D) and target latents (N, E).

    `loss` is of their images; the target latents give the scale of the steps alone. `start` comes back where no
    step lowers the loss on the anchors held out (on all of them, of fewer than five).
    """
    order_N = torch.randperm(len(z_ND), generator=torch.Generator().manual_seed(seed))
    count = len(z_ND) // HELD_OUT
    held_out, used = order_N[:count], order_N[count:]
    judged = held_out if count else used
    with torch.no_grad():
        mapped_NE = start(z_ND)
    whitened_ND, mean_D, scale_D = _standardised(z_ND)
    target_E = y_NE.std(dim=0, unbiased=False)
    step_ED = torch.zeros(mapped_NE.shape[1], z_ND.shape[1], requires_grad=True)
    step_E = torch.zeros(mapped_NE.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([step_ED, step_E], lr=RATE)

    def moved(rows: Tensor) -> Tensor:
        latents: Tensor = mapped_NE[rows] + target_E * (whitened_ND[rows] @ step_ED.t() + step_E)
        return latents

    with torch.no_grad():
        best, kept, last = float(loss(moved(judged), judged)), (step_ED.clone(), step_E.clone()), 0
    for epoch in range(1, EPOCHS + 1):
        for rows in torch.split(used, BATCH):
            optimiser.zero_grad()
            loss(moved(rows), rows).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            now = float(loss(moved(judged), judged))
            if now < best:
                best, kept, last = now, (step_ED.clone(), step_E.clone()), epoch
        if epoch - last >= PATIENCE:
            break
    weight_ED = target_E[:, None] * kept[0] / scale_D
    added_ED = start.weight + weight_ED
    bias_E = start.bias + target_E * kept[1] - weight_ED @ mean_D
    return AffineMapping.of(added_ED.double().numpy(), bias_E.double().numpy(), mean_D.double().numpy())


def _standardised(z_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean_D = z_ND.mean(dim=0)
    scale_D = z_ND.std(dim=0, unbiased=False)
    # A dimension without variance has nothing to learn from.
    scale_D = torch.where(scale_D > 1e-6 * scale_D.max().clamp(min=1e-12), scale_D, torch.inf)
    return (z_ND - mean_D) / scale_D, mean_D, scale_D
