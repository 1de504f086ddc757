"""The same network by the `mup` package (Yang et al., 2022), with base width 1, and its first steps."""

import copy
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from mup import MuAdam, MuReadout, MuSGD, set_base_shapes  # type: ignore[import-untyped]
from torch import Tensor, nn

from framework.multitask.networks.mlp import AbcMLPNetwork

OPTIMIZERS: dict[str, Any] = {"sgd": MuSGD, "adam": MuAdam}


class Theirs(nn.Module):
    def __init__(self, inputs: int, width: int, outputs: int, depth: int, activation: nn.Module) -> None:
        super().__init__()
        sizes = [inputs, *[width] * (depth - 1)]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.last = MuReadout(width, outputs)
        self.activation = activation

    def preactivations(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for layer in self.hidden:
            found.append(layer(self.activation(found[-1]) if found else x))
        return [*found, self.last(self.activation(found[-1]))]


def theirs_of(ours: AbcMLPNetwork) -> Theirs:
    """Their network with the weights of one of ours, in muP by width: W of all but the last, n W of that."""
    first: Any = ours.layers[0]
    last: Any = ours.layers[-1]
    shape = (first.weight.shape[0], last.weight.shape[1], len(ours.layers), ours.activation)
    width = last.weight.shape[0]
    made = Theirs(shape[0], width, *shape[1:]).to(first.weight)
    base, delta = (Theirs(shape[0], n, *shape[1:]) for n in (1, 2))
    set_base_shapes(made, base, delta=delta, rescale_params=False)
    with torch.no_grad():
        for layer, their in zip(ours.layers, [*made.hidden, made.last], strict=True):
            n = width if their is made.last else 1
            their.weight.copy_(layer.weight.T * layer.scaling.weight.multiplier * n)
            their.bias.copy_(layer.bias * layer.scaling.bias.multiplier)
    return made


def their_steps(
    ours: AbcMLPNetwork, optimizer: str, rate: float, x: Tensor, y: Tensor, steps: int
) -> list[list[float]]:
    """The mean |x| of each layer before the first step and after each."""
    network = theirs_of(copy.deepcopy(ours))
    stepper = OPTIMIZERS[optimizer](network.parameters(), lr=rate)
    seen = []
    for _ in range(steps + 1):
        found = network.preactivations(x)
        seen.append([float(part.detach().abs().mean()) for part in found])
        stepper.zero_grad()
        F.mse_loss(found[-1], y).backward()
        stepper.step()
    return seen
