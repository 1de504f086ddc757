"""The steps of a folded decoder (`folding.py`), for at most `AT_ONCE` images at a time.

Data lie with images in columns, (F, N). Products are written into memory that is there already and that the next
call overwrites: fresh memory, which the system must clear first, costs several times what the product does. None
of the steps gives gradients.

Shapes: N images, F features, I inputs and O outputs of a step.
"""

import math
import warnings

import torch
from torch import Tensor, nn

AT_ONCE = 512  # images: a stage then works in the cache, and its calls cost little beside its products


class Dense(nn.Module):
    """W x + b with a full W: x (I, N) → (O, N), in memory of its own."""

    weight: Tensor
    bias: Tensor
    memory: Tensor

    def __init__(self, weight_OI: Tensor, bias_O: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight_OI)
        self.register_buffer("bias", bias_O[:, None])
        self.register_buffer("memory", bias_O.new_empty(len(bias_O) * AT_ONCE), persistent=False)

    def forward(self, x_IN: Tensor) -> Tensor:
        """The product (O, N); the next call overwrites it."""
        return torch.addmm(self.bias, self.weight, x_IN, out=self._out(x_IN))

    def _out(self, x_IN: Tensor) -> Tensor:
        shape = (len(self.bias), x_IN.shape[1])
        return self.memory[: math.prod(shape)].view(shape)


class Sparse(Dense):
    """W x + b with the nonzero entries of W in compressed rows."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that its compressed rows are in beta state
            rows = weight_OI.to_sparse_csr()
            indices = rows.crow_indices().int(), rows.col_indices().int()  # as MKL takes them
            super().__init__(torch.sparse_csr_tensor(*indices, rows.values(), rows.shape), bias_O)

    def forward(self, x_IN: Tensor) -> Tensor:
        """The product (O, N); the next call overwrites it."""
        out_ON = self._out(x_IN)
        out_ON.copy_(self.bias.expand_as(out_ON))
        return torch.addmm(out_ON, self.weight, x_IN, out=out_ON)


class InPlace(nn.Module):
    """An activation that overwrites what it is given, of any shape."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """`x`, overwritten."""
        if isinstance(self.layer, nn.GELU):
            torch.ops.aten.gelu_(x, approximate=self.layer.approximate)
        elif isinstance(self.layer, nn.ReLU):
            x.relu_()
        elif isinstance(self.layer, nn.Sigmoid):
            x.sigmoid_()
        else:
            x.tanh_()
        return x


class Rows(nn.Module):
    """Layers that take their images in rows: x (I, N) → (O, N)."""

    def __init__(self, shape: tuple[int, ...], layers: list[nn.Module]) -> None:
        super().__init__()
        self.shape, self.layers = shape, nn.Sequential(*layers)

    def forward(self, x_IN: Tensor) -> Tensor:
        """The layers' output."""
        outputs: Tensor = self.layers(x_IN.t().reshape(-1, *self.shape))
        return outputs.flatten(1).t()
