"""A stitching layer that is trained on the target's own task: the strongest control for a mapping of latents.

On the anchors x_i with source latents z_i, through the target's frozen decoder or head g,

    A, b = argmin  1/N Σ_i loss(g(A z_i + b), x_i or its class)                                 [1, section 3]  (1)

with the squared error of images on [0, 1], or the cross-entropy. It begins at the ridge fit and takes steps of
Adam in coordinates in which both latent spaces have unit variance. After how many epochs it ends is told by
anchors that neither the ridge fit nor the steps have seen: the anchors are cut in folds, each is held out in turn
of a layer that begins and learns on the others, and the epoch with the least mean loss on what was held out is
taken. The layer itself learns on all anchors for so long. Mappings of latents never see an image: so much is lost
by that.

[1] Lenc and Vedaldi, "Understanding image representations by measuring their equivariance and equivalence", 2015;
Bansal, Nakkiran and Barak, "Revisiting model stitching to compare neural representations", 2021.

Shapes: N anchors, D source dimensions, E target dimensions.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from framework.mappings.base import AffineMapping
from framework.seeds import torch_numbers

EPOCHS, PATIENCE, RATE, BATCH = 300, 40, 0.02, 64
FOLDS = 5
"""A fifth of the anchors is held out at a time; of fewer than five, one."""
MOST_IN_FOLDS = 320
"""Anchors, over all folds that are held out in turn: of many one fifth tells enough."""
FEWEST = 3
"""Anchors; of fewer nothing can be held out, and the layer is the ridge fit."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""The mean loss of target latents (B, E) for the anchors at these positions (B,)."""
Fit = Callable[[Tensor], AffineMapping]
"""The ridge fit on the anchors at these positions (B,)."""


def train_on_task(
    start: AffineMapping, fit: Fit, z_ND: Tensor, y_NE: Tensor, loss: Loss, seed: int
) -> AffineMapping:
    """Equation (1): a mapping from `start` on, for anchors with source latents (N, D) and target latents (N, E).

    `start` is the ridge fit on all anchors, `fit` makes it of some. `loss` is of their images; the target latents
    give the scale of the steps alone. `start` comes back where no step lowers the loss on anchors held out.
    """
    count = len(z_ND)
    everything = torch.arange(count)
    layer = _Layer(start, z_ND, y_NE, loss)
    if count >= FEWEST:
        folds = torch.randperm(count, generator=torch_numbers(seed)).tensor_split(min(FOLDS, count))
        judged = folds[: max(1, MOST_IN_FOLDS // count)]
        for _ in range(_epochs(judged, everything, lambda rows: _Layer(fit(rows), z_ND, y_NE, loss))):
            layer.learn(everything)
    return layer.mapping()


def _epochs(folds: tuple[Tensor, ...], everything: Tensor, begun_on: Callable[[Tensor], "_Layer"]) -> int:
    """After how many epochs the mean loss on the fold that is held out is least; 0 where it only rises."""
    rest = [everything[~torch.isin(everything, fold)] for fold in folds]
    layers = [begun_on(rows) for rows in rest]

    def held_out() -> float:
        return sum(layer.loss(fold) * len(fold) for layer, fold in zip(layers, folds, strict=True))

    best, last = held_out(), 0
    for epoch in range(1, EPOCHS + 1):
        for layer, rows in zip(layers, rest, strict=True):
            layer.learn(rows)
        now = held_out()
        if now < best:
            best, last = now, epoch
        if epoch - last >= PATIENCE:
            break
    return last


class _Layer:
    """A stitching layer on its way: where it began, and what was added since, in standardised coordinates."""

    def __init__(self, start: AffineMapping, z_ND: Tensor, y_NE: Tensor, loss: Loss) -> None:
        self._start, self._loss = start, loss
        with torch.no_grad():
            self._mapped_NE: Tensor = start(z_ND)
        self._whitened_ND, self._mean_D, self._scale_D = _standardised(z_ND)
        self._target_E = y_NE.std(dim=0, unbiased=False)
        self._step_ED = torch.zeros(y_NE.shape[1], z_ND.shape[1], requires_grad=True)
        self._step_E = torch.zeros(y_NE.shape[1], requires_grad=True)
        self._optimiser = torch.optim.Adam([self._step_ED, self._step_E], lr=RATE)

    def learn(self, rows: Tensor) -> None:
        """One epoch on the anchors at `rows`."""
        for batch in torch.split(rows, BATCH):
            self._optimiser.zero_grad()
            self._loss(self._latents(batch), batch).backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()

    def loss(self, rows: Tensor) -> float:
        """The mean loss on the anchors at `rows`."""
        with torch.no_grad():
            return float(self._loss(self._latents(rows), rows))

    def mapping(self) -> AffineMapping:
        """The layer in the coordinates of the latents."""
        step_ED, step_E = self._step_ED.detach(), self._step_E.detach()
        if not step_ED.any() and not step_E.any():
            return self._start
        weight_ED = self._target_E[:, None] * step_ED / self._scale_D
        bias_E = self._start.bias + self._target_E * step_E - weight_ED @ self._mean_D
        added_ED = self._start.weight + weight_ED
        return AffineMapping.of(*(part.double().numpy() for part in (added_ED, bias_E, self._mean_D)))

    def _latents(self, rows: Tensor) -> Tensor:
        steps_BE = self._whitened_ND[rows] @ self._step_ED.t() + self._step_E
        latents: Tensor = self._mapped_NE[rows] + self._target_E * steps_BE
        return latents


def _standardised(z_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean_D = z_ND.mean(dim=0)
    scale_D = z_ND.std(dim=0, unbiased=False)
    # A dimension without variance has nothing to learn from.
    scale_D = torch.where(scale_D > 1e-6 * scale_D.max().clamp(min=1e-12), scale_D, torch.inf)
    return (z_ND - mean_D) / scale_D, mean_D, scale_D
