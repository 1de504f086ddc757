"""A fully connected network in abc-parametrisation (Yang and Hu, 2021).

    h_1 = W_1 x,   h_(l+1) = [h_l +] W_(l+1) φ(h_l),   f = W_L φ(h_(L-1))

with biases, and with h_l where it is residual. Shapes: N rows, I inputs, O outputs, D units of a hidden layer.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Generator, Tensor, nn

from framework.multitask.networks.activations import activation_of
from framework.multitask.networks.config import Activation
from framework.multitask.networks.layer import AbcLayer
from framework.multitask.networks.parametrisation import LayerScaling


class AbcMLPNetwork(nn.Module):
    """Layers (N, I) → (N, O) with an activation between each two.

    Args:
        sizes: I, the width of each hidden layer, and O.
        scalings: How each layer scales.
        activation: φ.
        bias: Whether layers have biases.
        residual: Whether each hidden layer but the first is added to what it is given.
        zero_output: Whether the last layer begins at zero.
        generator: What the parameters are drawn from; None takes torch's own seed.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        scalings: Sequence[LayerScaling],
        activation: Activation,
        *,
        bias: bool,
        residual: bool,
        zero_output: bool,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        last = len(scalings) - 1
        self.activation, self.residual = activation_of(activation), residual
        self.layers = nn.ModuleList(
            AbcLayer(*pair, scaling, bias=bias, zero=zero_output and i == last, generator=generator)
            for i, (pair, scaling) in enumerate(zip(pairwise(sizes), scalings, strict=True))
        )

    def preactivations(self, x_NI: Tensor) -> list[Tensor]:
        """What goes into the activation after each layer, (N, D) each, and the outputs (N, O)."""
        first, *hidden, last = self.layers
        found: list[Tensor] = [first(x_NI)]
        for layer in hidden:
            h_ND: Tensor = layer(self.activation(found[-1]))
            found.append(found[-1] + h_ND if self.residual else h_ND)
        return [*found, last(self.activation(found[-1]))]

    def forward(self, x_NI: Tensor) -> Tensor:
        """Outputs (N, O) of inputs (N, I)."""
        return self.preactivations(x_NI)[-1]
