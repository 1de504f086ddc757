"""Merging by regression: layer by layer, the weights whose outputs come closest to the mean of the parents'.

The mean of two weights does not give the mean of two outputs as soon as the layer's inputs differ. So each
layer, in the order of the graph, is fitted to it, on the inputs that it gets in the merged model so far:

    W = W₀ + (XᵀX + λ I)⁻¹ Xᵀ(Y - X W₀),   Y = Σ_k share_k Y_k                                                (1)

X holds the merged model's inputs of the layer, Y_k what parent k writes there, W₀ the mean of the parents'
weights, and λ is `ridge` times the mean of the diagonal of XᵀX. With the parents' own inputs in place of X this
is RegMean (Jin, Ren, Preotiuc-Pietro and Cheng, "Dataless knowledge fusion by merging weights of language
models", 2023, equation 3). No labels and no gradients are needed. Linear and ungrouped convolutional layers are
fitted; all other parameters keep the mean.

Memory: positions are drawn before a kernel is unfolded, so that at most `MOST_ROWS` rows are ever made, `CHUNK`
bytes of them at a time; activations are held for as many inputs as `CHUNK` holds. Where there are fewer rows than
columns (the first linear layer behind a large map) rows are kept, and (1) is solved in its dual form,

    W = W₀ + Xᵀ(XXᵀ + λ I)⁻¹ (Y - X W₀)                                                                         (2)

Shapes: S rows (inputs and positions), I columns of a layer's input (its kernel unfolded), O outputs.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.fusion.activations import PIECE, UpTo
from framework.fusion.refusals import is_parametrized
from framework.fusion.repair import reset_statistics
from framework.fusion.structure import Structure
from framework.fusion.unfolding import CHUNK, Positions
from framework.models.batch import Inputs, chosen, count, pieces
from framework.seeds import torch_numbers

RIDGE = 1e-3
MOST_ROWS = 200_000  # of X; of larger maps each input gives as many positions, drawn at random


def regress(
    merged: nn.Module,
    parents: Sequence[nn.Module],
    structure: Structure,
    inputs: Inputs,
    shares: Sequence[float],
    ridge: float = RIDGE,
    *,
    most_rows: int = MOST_ROWS,
    seed: int = 0,
) -> nn.Module:
    """A copy of `merged`, the mean of `parents` (in one basis), refitted by equation (1) on `inputs` (N, …).

    Of maps with more than `most_rows` positions over all inputs, so many are drawn, by `seed`.
    """
    fitted = copy.deepcopy(merged)
    largest = 1  # bytes that one input takes in the widest layer so far
    for node in structure.graph.nodes:
        if node.op != "call_module" or not can_fit(fitted.get_submodule(str(node.target))):
            continue
        layer: Any = fitted.get_submodule(str(node.target))
        runs = [UpTo(module, structure.graph, node.name) for module in (fitted, *parents)]
        one = runs[0].inputs_of(chosen(inputs, slice(1)))
        largest = max(largest, one.numel() * one.element_size())
        drawn = Positions(layer, one, count(inputs), most_rows, torch_numbers(seed))
        products = _Sums(layer, drawn.rows)
        for piece in pieces(inputs, max(1, min(PIECE, CHUNK // largest))):
            values = [run.inputs_of(piece) for run in runs]
            for at in drawn.chunks(len(values[0])):
                x_SI = drawn.rows_at(values[0], at)
                residuals_SO = -_written(layer, x_SI)
                for share, run, value in zip(shares, runs[1:], values[1:], strict=True):
                    residuals_SO += share * _written(run.layer, drawn.rows_at(value, at))
                products.add(x_SI, residuals_SO)
        products.solve(layer, ridge)
    return reset_statistics(fitted, inputs)


def can_fit(layer: nn.Module) -> bool:
    """Whether a layer is linear in the rows of `rows_of_layer`, with weights that can be replaced."""
    if is_parametrized(layer):  # its weight is computed: nothing can be put there
        return False
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros"
    )


def _written(layer: Any, x_SI: Tensor) -> Tensor:
    """What the layer makes of rows (S, I): (S, O)."""
    return F.linear(x_SI, layer.weight.detach().flatten(1), None if layer.bias is None else layer.bias.detach())


class _Sums:
    """XᵀX and Xᵀ(Y - X W₀), or X and Y - X W₀ where that is less; a layer with a bias has a column of ones.

    In double precision on the layer's device, or on the CPU where the device has none (mps).
    """

    def __init__(self, layer: Any, rows: int) -> None:
        self.biased = layer.bias is not None
        self.width = layer.weight[0].numel() + self.biased
        self.dual = rows < self.width
        self.kept: list[tuple[Tensor, Tensor]] = []
        size = 0 if self.dual else self.width
        self.device = layer.weight.device if layer.weight.device.type != "mps" else torch.device("cpu")
        self.xx_II = torch.zeros(size, size, dtype=torch.float64, device=self.device)
        self.xr_IO = torch.zeros(size, len(layer.weight), dtype=torch.float64, device=self.device)

    def add(self, x_SI: Tensor, residuals_SO: Tensor) -> None:
        if self.biased:
            x_SI = torch.cat([x_SI, x_SI.new_ones(len(x_SI), 1)], dim=1)
        if self.dual:
            self.kept.append((x_SI.to(self.device).double(), residuals_SO.to(self.device).double()))
            return
        self.xx_II += (x_SI.T @ x_SI).to(self.device)
        self.xr_IO += (x_SI.T @ residuals_SO).to(self.device)

    def solve(self, layer: Any, ridge: float) -> None:
        """Put the solution of (1) into the layer."""
        tiny = torch.finfo(torch.float64).tiny
        if self.dual:
            x_SI, r_SO = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
            gram_SS = x_SI @ x_SI.T
            gram_SS.diagonal().add_(ridge * (gram_SS.trace() / self.width).clamp_min(tiny))
            change_IO = (x_SI.T @ torch.linalg.solve(gram_SS, r_SO)).to(layer.weight)
        else:
            self.xx_II.diagonal().add_(ridge * self.xx_II.diagonal().mean().clamp_min(tiny))
            change_IO = torch.linalg.solve(self.xx_II, self.xr_IO).to(layer.weight)
        with torch.no_grad():
            if self.biased:
                layer.bias.add_(change_IO[-1])
                change_IO = change_IO[:-1]
            layer.weight.add_(change_IO.T.reshape(layer.weight.shape))
