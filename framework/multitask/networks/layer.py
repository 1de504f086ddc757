"""A linear layer in abc-parametrisation.

    y = α x w + β v       α and β are the n^-a of weight and bias, which are drawn with their n^-b

α is laid on the inputs or the outputs, whichever are fewer: a batch has less of them than the weight has numbers,
and so has the backward pass. A multiplier of 1 costs nothing. Shapes: N rows, I inputs, O outputs.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from framework.multitask.networks.parametrisation import LayerScaling


class AbcLayer(nn.Module):
    """A linear layer (..., I) → (..., O) whose parameters scale as `scaling` says.

    Args:
        inputs: I.
        outputs: O.
        scaling: Of its weight (I, O) and its bias (O,).
        bias: Whether there is one.
        zero: Whether weight and bias begin at zero.
        generator: What the parameters are drawn from, on the CPU; None takes torch's own seed.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        scaling: LayerScaling,
        *,
        bias: bool = True,
        zero: bool = False,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.scaling, self.zero = scaling, zero
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.draw(generator)

    @torch.no_grad()
    def draw(self, generator: Generator | None = None) -> None:
        """Draw the parameters anew."""
        for parameter, scaling in ((self.weight, self.scaling.weight), (self.bias, self.scaling.bias)):
            if parameter is not None and self.zero:
                parameter.zero_()
            elif parameter is not None:
                parameter.normal_(std=scaling.deviation, generator=generator)

    def forward(self, x_NI: Tensor) -> Tensor:
        """Outputs (..., O) of inputs (..., I)."""
        alpha, beta = self.scaling.weight.multiplier, self.scaling.bias.multiplier
        bias = self.bias if self.bias is None or beta == 1 else self.bias * beta
        if alpha == 1:
            return F.linear(x_NI, self.weight.T, bias)
        if self.weight.shape[0] <= self.weight.shape[1]:
            return F.linear(x_NI * alpha, self.weight.T, bias)
        y_NO = F.linear(x_NI, self.weight.T) * alpha
        return y_NO if bias is None else y_NO + bias

    def extra_repr(self) -> str:
        """Sizes and scaling."""
        inputs, outputs = self.weight.shape
        return f"{inputs}, {outputs}, weight={self.scaling.weight}, bias={self.bias is not None}"
