"""Training of many small perceptrons at once: all cells (samples and λ) of a study as batched models.

Each cell is a perceptron D → H → H → E with GELU [1] and dropout [2] after both hidden layers, trained by Adam [3]
on all its samples at a time, to the mean squared error of standardised targets. λ is Adam's weight decay: λ θ is
added to the gradient of every parameter θ, weights and biases (L2, as in [3, 4]; not decoupled from the step).

A fifth of the samples (`val_fraction`) is held out, at least one; their mean squared error, in squared latents,
stops the training and picks the best weights. Of fewer than five samples none is held out, and the error of all
takes its place. Inputs and targets are standardised by what is not held out.

Cells of the same sizes run as one batch of matrix products. Neither first weights, held-out samples nor dropout
depend on what else is in the batch: each is drawn from the seed, the number of samples, the epoch and the sample's
position alone, so that all λ see the same draws. A cell that has stopped leaves the batch.

[1] Hendrycks, Gimpel: Gaussian error linear units (GELUs). arXiv:1606.08415, 2016.
[2] Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout: a simple way to prevent neural networks from
    overfitting. Journal of Machine Learning Research 15, 2014.
[3] Kingma, Ba: Adam: a method for stochastic optimization. ICLR, 2015.
[4] Loshchilov, Hutter: Decoupled weight decay regularization. ICLR, 2019 (algorithm 2, the variant with L2).

Shapes: B cells of a batch, N samples, D source and E target dimensions, H hidden neurons, P parameters of a cell.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from framework.errors import TrainingDiverged
from framework.mappings.latents import Array
from framework.mappings.mlp_network import Layers, differentiate, first_weights, forward, views
from framework.mappings.mlp_recipe import Cell, Recipe, Scaling, Trained, standardiser
from framework.mappings.offsets import in_two

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Adam
AT_ONCE = 2**19  # neurons of a hidden layer, over all samples and cells of a batch


def train(cells: Sequence[Cell], recipe: Recipe, *, corrects: bool = False) -> list[Trained]:
    """A perceptron for each cell, in their order.

    Args:
        cells: Samples and λ.
        recipe: How to train.
        corrects: The perceptrons correct another mapping. Targets are scaled but not centred, the last layer
            starts at zero, and this start is the first candidate for the best weights: the held-out error is never
            above that of no correction.

    Raises:
        TrainingDiverged: a held-out error that was finite in no epoch.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for index, cell in enumerate(cells):
        alike.setdefault((*cell.inputs.shape, *cell.targets.shape), []).append(index)
    found: dict[int, Trained] = {}
    for (num_samples, *_), indices in alike.items():
        together = max(1, AT_ONCE // (num_samples * recipe.hidden))
        for start in range(0, len(indices), together):
            part = indices[start : start + together]
            found |= zip(part, _train_alike([cells[i] for i in part], recipe, corrects), strict=True)
    return [found[index] for index in range(len(cells))]


class _Batch(NamedTuple):
    """The cells that are being trained, a row each."""

    cell: Tensor  # (B,), its place among those that started
    x: Tensor  # (B, N, D)
    y: Tensor  # (B, N, E)
    held_x: Tensor
    held_y: Tensor
    scale: Tensor  # (B, 1, E), of the targets
    ridge: Tensor  # (B, 1)
    theta: Tensor  # (B, P), the parameters; gradient and moments are alike
    gradient: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    error: Tensor  # (B,), of the best parameters
    epoch: Tensor  # (B,), theirs


@torch.no_grad()
def _train_alike(cells: Sequence[Cell], recipe: Recipe, corrects: bool) -> list[Trained]:
    layers = recipe.layers(cells[0])
    scalings, batch = _prepare(cells, recipe, corrects)
    found: dict[int, Trained] = {}
    for epoch in range(1, recipe.epochs + 1):
        kept = recipe.dropout_factors(batch.x.shape[1], epoch)
        differentiate(batch.x, batch.y, batch.theta, layers, kept, batch.gradient)
        _step(batch, recipe, epoch)
        error_B = _held_out_error(batch, layers)
        better_B = error_B < batch.error
        batch.error[better_B], batch.epoch[better_B] = error_B[better_B], epoch
        batch.best[better_B] = batch.theta[better_B]
        stops_B = (epoch - batch.epoch >= recipe.patience) & (epoch >= recipe.min_epochs)
        if epoch == recipe.epochs:
            stops_B[:] = True
        if stops_B.any():
            for row in stops_B.nonzero().flatten().tolist():
                index, error = int(batch.cell[row]), float(batch.error[row])
                if not np.isfinite(error):
                    raise TrainingDiverged(
                        f"a perceptron on {len(cells[0].inputs)} samples had a finite held-out error in no epoch, "
                        f"with the learning rate {recipe.learning_rate}: take a smaller one"
                    )
                best = [part[0].clone() for part in views(batch.best[row : row + 1], layers)]
                found[index] = Trained(best, scalings[index], int(batch.epoch[row]), error)
            batch = _Batch(*(tensor[~stops_B] for tensor in batch))
            if not len(batch.cell):
                break
    return [found[index] for index in range(len(cells))]


def _prepare(cells: Sequence[Cell], recipe: Recipe, corrects: bool) -> tuple[list[Scaling], _Batch]:
    """The scaling of each cell, and the batch before the first epoch."""
    num_cells, layers = len(cells), recipe.layers(cells[0])
    train_N, held_N = recipe.split(len(cells[0].inputs))
    scales = [
        (
            *standardiser(cell.inputs[train_N], centre=True),
            *standardiser(cell.targets[train_N], centre=not corrects),
        )
        for cell in cells
    ]
    both = list(zip(cells, scales, strict=True))
    x_BND = np.stack([(cell.inputs - mean_D) / scale_D for cell, (mean_D, scale_D, _, _) in both])
    y_BNE = np.stack([(cell.targets - mean_E) / scale_E for cell, (_, _, mean_E, scale_E) in both])
    theta_BP = first_weights(recipe.seed, layers).repeat(num_cells, 1)
    if corrects:
        for part in views(theta_BP, layers)[-2:]:
            part.zero_()
    batch = _Batch(
        cell=torch.arange(num_cells),
        x=_single(x_BND[:, train_N]),
        y=_single(y_BNE[:, train_N]),
        held_x=_single(x_BND[:, held_N]),
        held_y=_single(y_BNE[:, held_N]),
        scale=_single(np.stack([scale_E for _, _, _, scale_E in scales])[:, None]),
        ridge=torch.tensor([[cell.ridge] for cell in cells]),
        theta=theta_BP,
        gradient=torch.zeros_like(theta_BP),
        first=torch.zeros_like(theta_BP),
        second=torch.zeros_like(theta_BP),
        best=theta_BP.clone(),
        error=torch.full((num_cells,), torch.inf),
        epoch=torch.zeros(num_cells, dtype=torch.long),
    )
    if corrects:
        batch.error.copy_(_held_out_error(batch, layers))
    return [_scaling(*numbers) for numbers in scales], batch


def _scaling(mean_D: Array, scale_D: Array, mean_E: Array, scale_E: Array) -> Scaling:
    return Scaling(in_two(mean_D), _single(scale_D), in_two(mean_E), _single(scale_E))


def _step(batch: _Batch, recipe: Recipe, epoch: int) -> None:
    """One step of Adam, with weight decay."""
    batch.gradient.addcmul_(batch.theta, batch.ridge)
    batch.first.lerp_(batch.gradient, 1 - BETA_1)
    batch.second.mul_(BETA_2).addcmul_(batch.gradient, batch.gradient, value=1 - BETA_2)
    # Both moments' bias corrections are drawn out of the quotient, which saves a pass over all parameters.
    unbias = (1 - BETA_2**epoch) ** 0.5
    below_BP = batch.second.sqrt().add_(EPSILON * unbias)
    rate = recipe.learning_rate * unbias / (1 - BETA_1**epoch)
    batch.theta.addcdiv_(batch.first, below_BP, value=-rate)


def _held_out_error(batch: _Batch, layers: Layers) -> Tensor:
    """Mean squared error of each cell's held-out samples, in squared latents, (B,)."""
    output_BNE = forward(batch.held_x, views(batch.theta, layers))[-1]
    return output_BNE.sub_(batch.held_y).mul_(batch.scale).square_().mean((1, 2))


def _single(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
