"""Cores with one hidden layer each, stacked with bottlenecks between them; of linear or of abc layers.

    core(x) = W_2 [φ(W_1 x), x, W_s x]        f = core_K(ψ(… ψ(core_1(x))))

The skips, x itself and a linear image of it, are concatenated to the hidden units, each where it is asked for.
Each core but the last gives a bottleneck, whose activation is ψ. All layers have biases. Shapes: N rows, I inputs
of a core, V hidden units, S numbers of a linear skip, O outputs of a core.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from framework.multitask.networks.activations import activation_of
from framework.multitask.networks.config import Activation
from framework.multitask.networks.layer import AbcLayer
from framework.multitask.networks.parametrisation import LayerScaling


class CoreSizes(NamedTuple):
    """Numbers of a core: I, V and O, whether x is concatenated, and S or None."""

    inputs: int
    hidden: int
    outputs: int
    skip: bool
    linear_skip: int | None

    @property
    def concatenated(self) -> int:
        """The inputs of the second layer."""
        return self.hidden + (self.inputs if self.skip else 0) + (self.linear_skip or 0)

    @property
    def layers(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Inputs and outputs of both layers."""
        return (self.inputs, self.hidden), (self.concatenated, self.outputs)


class Core(nn.Module):
    """One core (N, I) → (N, O) of given layers; `linear_skip` (N, I) → (N, S) may be None."""

    def __init__(
        self,
        first: nn.Module,
        second: nn.Module,
        linear_skip: nn.Module | None,
        activation: Activation,
        skip: bool,
    ) -> None:
        super().__init__()
        self.first, self.second, self.linear_skip = first, second, linear_skip
        self.activation, self.skip = activation_of(activation), skip

    def forward(self, x_NI: Tensor) -> Tensor:
        """Outputs (N, O) of inputs (N, I)."""
        parts = [self.activation(self.first(x_NI))]
        if self.skip:
            parts.append(x_NI)
        if self.linear_skip is not None:
            parts.append(self.linear_skip(x_NI))
        y_NO: Tensor = self.second(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
        return y_NO


class StackNetwork(nn.Module):
    """Cores (N, I) → (N, O), with an activation on each bottleneck."""

    def __init__(self, cores: Sequence[Core], bottleneck_activation: Activation) -> None:
        super().__init__()
        self.cores = nn.ModuleList(cores)
        self.activation = activation_of(bottleneck_activation)

    def forward(self, x_NI: Tensor) -> Tensor:
        """Outputs (N, O) of inputs (N, I)."""
        *before, last = self.cores
        for core in before:
            x_NI = self.activation(core(x_NI))
        y_NO: Tensor = last(x_NI)
        return y_NO


def core_sizes(
    inputs: int, outputs: int, *, depth: int, bottleneck: int, hidden: int, skip: bool, linear_skip: int | None
) -> list[CoreSizes]:
    """The sizes of each of `depth` cores."""
    ends = [inputs, *[bottleneck] * (depth - 1), outputs]
    return [CoreSizes(ends[i], hidden, ends[i + 1], skip, linear_skip) for i in range(depth)]


def linear_core(sizes: CoreSizes, activation: Activation) -> Core:
    """A core of torch's linear layers, which begin as torch draws them from its seed."""
    first, second = (nn.Linear(*layer) for layer in sizes.layers)
    skip = nn.Linear(sizes.inputs, sizes.linear_skip) if sizes.linear_skip else None
    return Core(first, second, skip, activation, sizes.skip)


def abc_core(
    sizes: CoreSizes,
    scalings: Sequence[LayerScaling],
    activation: Activation,
    *,
    zero_output: bool,
    generator: Generator | None = None,
) -> Core:
    """A core of abc layers; its linear skip, which has the same inputs as the first layer, scales as that does."""
    first = AbcLayer(*sizes.layers[0], scalings[0], generator=generator)
    skip = (
        AbcLayer(sizes.inputs, sizes.linear_skip, scalings[0], generator=generator) if sizes.linear_skip else None
    )
    second = AbcLayer(*sizes.layers[1], scalings[1], zero=zero_output, generator=generator)
    return Core(first, second, skip, activation, sizes.skip)
