"""A decoder in eval mode as few matrix products, for a CPU that decodes again and again.

Between two activations a decoder in eval mode is affine, however many layers stand there (linear, transposed
convolution, batch normalisation with fixed statistics, dropout, reshaping):

    stage(x) = W x + b,    b = stage(0),    W e_i = stage(e_i) - b                                              (1)

W is found by pushing the unit vectors through, in float64, and kept as a matrix: sparse where it comes from a
convolution with few channels, for which no fast kernel exists (the last layer of a PCKTAE takes 12 products a
pixel), and dense otherwise. Convolutions with many channels stay what they are, with the batch normalisation
behind them folded into their weights (Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", 2018, section 3.2). Knows no model and no data.

Shapes: N images, D latent dimensions, F features, I inputs and O outputs of a stage.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from framework.models.stages import AT_ONCE, Dense, InPlace, Rows, Sparse
from framework.models.upsample import DoublingConvTranspose2d

LARGEST = 2**24  # entries of a matrix
WIDE = 16  # channels from which on a convolution is faster than a matrix of
LARGEST_OF_WIDE = 2**20  # entries
SPARSE_COST = 7  # what a product costs in a sparse matrix, in products of a dense one

# Exact types: what else a subclass does is not known.
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, DoublingConvTranspose2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
RESHAPING = (nn.Flatten, nn.Unflatten)
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
POINTWISE = (nn.ReLU, nn.GELU, nn.Sigmoid, nn.Tanh)

Shape = tuple[int, ...]


def folded(module: nn.Module, latent_dim: int) -> nn.Module:
    """A module that computes what `module` computes in eval mode for latents (N, D), to float rounding.

    It holds the weights as they are now, and gives no gradients. Where there is nothing to gain, it is a copy of
    `module`: without convolutions and normalisations, and on other devices than the CPU.

    `module` is a Sequential, nested or not; what is neither affine nor a known activation stays as it is.
    """
    parameter = next(module.parameters(), torch.empty(0))
    copied = copy.deepcopy(module).eval().requires_grad_(False)
    for layer in copied.modules():
        if hasattr(layer, "inplace"):
            setattr(layer, "inplace", False)  # noqa: B010  # it could overwrite the latents; no module declares it
    layers = list(_layers(copied))
    if parameter.device.type != "cpu" or not any(type(layer) in (*CONVOLUTIONS, *NORMS) for layer in layers):
        return copied
    copied.double()
    steps: list[nn.Module] = []
    shape: Shape = (latent_dim,)
    for group in _groups(layers):
        stage = nn.Sequential(*group)
        with torch.no_grad():
            after: Shape = tuple(stage(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])
            matrix = _matrix(stage, shape, after, parameter.dtype)
        last = steps[-1] if steps else None
        if matrix is not None:
            steps.append(matrix)
        elif isinstance(last, Dense | InPlace) and type(group[0]) in POINTWISE:
            steps.append(InPlace(group[0]))
        elif isinstance(last, Rows):
            last.layers.extend(_fused(group))
        elif not all(type(layer) in RESHAPING for layer in group):
            steps.append(Rows(shape, _fused(group)))
        shape = after
    return Folded(steps, shape).to(parameter.dtype)


class Folded(nn.Module):
    """The steps that `folded` finds: latents (N, D) → outputs (N, *output_shape)."""

    def __init__(self, steps: list[nn.Module], output_shape: Shape) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.output_shape = output_shape

    def columns(self, latents_ND: Tensor) -> Tensor:
        """The outputs of at most `AT_ONCE` latents, flat, (F, N), in memory that the next call overwrites."""
        x_FN = latents_ND.t()
        for step in self.steps:
            x_FN = step(x_FN)
        return x_FN

    @torch.no_grad()
    def forward(self, latents_ND: Tensor) -> Tensor:
        """The outputs (N, *output_shape) of latents (N, D)."""
        outputs = latents_ND.new_empty(len(latents_ND), *self.output_shape)
        for latents, part in zip(torch.split(latents_ND, AT_ONCE), torch.split(outputs, AT_ONCE), strict=True):
            part.flatten(1).copy_(self.columns(latents).t())
        return outputs


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for child in module:
            yield from _layers(child)
    elif type(module) not in NOTHING:
        yield module


def _affine(layer: nn.Module) -> bool:
    known = type(layer) in (nn.Linear, *CONVOLUTIONS, *RESHAPING)
    return known or (type(layer) in NORMS and getattr(layer, "running_mean", None) is not None)


def _groups(layers: list[nn.Module]) -> list[list[nn.Module]]:
    """Affine layers that follow one another together, every other layer alone."""
    groups: list[list[nn.Module]] = []
    for layer in layers:
        if groups and _affine(layer) and _affine(groups[-1][0]):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


def _matrix(stage: nn.Sequential, inputs: Shape, outputs: Shape, dtype: torch.dtype) -> Dense | None:
    """Equation (1), where the stage is affine, more than a reshaping, and fastest as a matrix."""
    if not _affine(stage[0]) or all(type(layer) in RESHAPING for layer in stage):
        return None
    convolutions = [layer for layer in stage if isinstance(layer, CONVOLUTIONS)]
    wide = any(min(layer.in_channels, layer.out_channels) >= WIDE for layer in convolutions)
    size, entries = math.prod(inputs), math.prod(inputs) * math.prod(outputs)
    if entries > (LARGEST_OF_WIDE if wide else LARGEST):
        return None
    bias_O = stage(torch.zeros(1, *inputs, dtype=torch.float64)).flatten()
    columns = []
    for start in range(0, size, AT_ONCE):
        count = min(AT_ONCE, size - start)
        units = torch.zeros(count, size, dtype=torch.float64)
        units[:, start : start + count] = torch.eye(count, dtype=torch.float64)
        columns.append((stage(units.reshape(count, *inputs)).flatten(1) - bias_O).to(dtype))
    weight_OI = torch.cat(columns).t().contiguous()
    sparse = SPARSE_COST * int(weight_OI.count_nonzero()) < entries
    return (Sparse if sparse else Dense)(weight_OI, bias_O.to(dtype))


def _fused(group: list[nn.Module]) -> list[nn.Module]:
    """The layers, with batch normalisations folded into the convolutions before them."""
    layers: list[nn.Module] = []
    for layer in group:
        if isinstance(layer, nn.BatchNorm2d) and layers and isinstance(layers[-1], CONVOLUTIONS):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=transposed)
        else:
            layers.append(layer)
    return layers
