"""Perceptrons D → H → H → E with GELU and dropout, a batch of them in a few matrix products.

The gradient is written out by hand, into memory that is kept from epoch to epoch.

Shapes: B perceptrons, N samples of each, D source and E target dimensions, H hidden neurons, P parameters of each.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from framework.mappings.mlp_recipe import WEIGHTS, random_numbers

Layers = Sequence[tuple[int, int]]  # inputs and outputs of each of the three


def first_weights(seed: int, layers: Layers) -> Tensor:
    """Parameters (P,) as torch's linear layers begin: uniform within ± 1 / √(inputs of the layer)."""
    numbers = random_numbers(seed, WEIGHTS)
    parts = [numbers.uniform(-(rows**-0.5), rows**-0.5, (rows + 1) * columns) for rows, columns in layers]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def views(flat_BP: Tensor, layers: Layers) -> list[Tensor]:
    """Weight (B, inputs, outputs) and bias (B, 1, outputs) of each layer, as views of flat parameters."""
    found, start = [], 0
    for rows, columns in layers:
        end = start + rows * columns
        found += [flat_BP[:, start:end].view(-1, rows, columns), flat_BP[:, None, end : end + columns]]
        start = end + columns
    return found


def forward(x_BND: Tensor, parameters: Sequence[Tensor], kept: Sequence[Tensor] | None = None) -> list[Tensor]:
    """Both hidden layers before GELU, and after it and dropout, (B, N, H) each, and the output (B, N, E).

    `kept` has the factors (N, H) of dropout for both layers; None is eval mode.
    """
    found, layer_BNH = [], x_BND
    for index in range(2):
        before_BNH = torch.baddbmm(parameters[2 * index + 1], layer_BNH, parameters[2 * index])
        layer_BNH = nn.functional.gelu(before_BNH)
        if kept is not None:
            layer_BNH.mul_(kept[index])
        found += [before_BNH, layer_BNH]
    return [*found, torch.baddbmm(parameters[5], layer_BNH, parameters[4])]


def differentiate(
    x_BND: Tensor, y_BNE: Tensor, flat_BP: Tensor, layers: Layers, kept: Sequence[Tensor], gradient_BP: Tensor
) -> None:
    """Write the gradient of each perceptron's mean squared error into `gradient_BP`."""
    parameters, gradients = views(flat_BP, layers), views(gradient_BP, layers)
    before_1, after_1, before_2, after_2, output = forward(x_BND, parameters, kept)
    inputs, befores = (x_BND, after_1, after_2), (before_1, before_2)
    back = output.sub_(y_BNE).mul_(2 / y_BNE[0].numel())
    for index in (2, 1, 0):
        torch.bmm(inputs[index].mT, back, out=gradients[2 * index])
        torch.sum(back, 1, keepdim=True, out=gradients[2 * index + 1])
        if index:
            back = torch.bmm(back, parameters[2 * index].mT).mul_(kept[index - 1])
            back = torch.ops.aten.gelu_backward(back, befores[index - 1])
