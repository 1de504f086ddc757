"""Merging by regression: layer by layer, the weights whose outputs come closest to the mean of the parents'.

The mean of two weights does not give the mean of two outputs as soon as the layer's inputs differ. So each
layer, in the order of the graph, is fitted to it, on the inputs that it gets in the merged model so far:

    W = W₀ + (XᵀX + λ I)⁻¹ Xᵀ(Y - X W₀),   Y = Σ_k share_k Y_k                                                (1)

X holds the merged model's inputs of the layer, Y_k what parent k writes there, W₀ the mean of the parents'
weights, and λ is `ridge` times the mean of the diagonal of XᵀX. With the parents' own inputs in place of X this
is RegMean (Jin, Ren, Preotiuc-Pietro and Cheng, "Dataless knowledge fusion by merging weights of language
models", 2023, equation 3). No labels and no gradients are needed. Linear and ungrouped convolutional layers are
fitted; all other parameters keep the mean.

Shapes: S rows (inputs and positions), I columns of a layer's input (its kernel unfolded), O outputs.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from framework.fusion.features import PIECE
from framework.fusion.repair import reset_statistics
from framework.fusion.structure import Structure
from framework.models.graph import in_eval_mode

RIDGE = 1e-3
MOST_ROWS = 200_000  # of X; of larger maps positions are left out, evenly


def regress(
    merged: nn.Module,
    parents: Sequence[nn.Module],
    structure: Structure,
    inputs: Tensor,
    shares: Sequence[float],
    ridge: float = RIDGE,
) -> nn.Module:
    """A copy of `merged`, the mean of `parents` (in one basis), refitted by equation (1) on `inputs` (N, …)."""
    fitted = copy.deepcopy(merged)
    for node in structure.graph.nodes:
        if node.op != "call_module" or not can_fit(fitted.get_submodule(str(node.target))):
            continue
        layer: Any = fitted.get_submodule(str(node.target))
        products = _Sums(layer)
        runs = [_UpTo(module, structure.graph, node.name) for module in (fitted, *parents)]
        every = max(1, -(-len(inputs) * _positions(runs[0], layer, inputs) // MOST_ROWS))
        for piece in torch.split(inputs, PIECE):
            x_SI = rows_of_layer(layer, runs[0].inputs_of(piece))
            y_SO = sum(
                (share * _outputs(run, piece) for share, run in zip(shares, runs[1:], strict=True)),
                torch.zeros(()),
            )
            products.add(x_SI[::every], (y_SO - _outputs(runs[0], piece))[::every])
        products.solve(layer, ridge)
    return reset_statistics(fitted, inputs)


def can_fit(layer: nn.Module) -> bool:
    """Whether a layer is linear in the rows of `rows_of_layer`."""
    return isinstance(layer, nn.Linear) or (
        isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros"
    )


def rows_of_layer(layer: Any, values: Tensor) -> Tensor:
    """The layer's input as rows (S, I), its kernel unfolded."""
    if isinstance(layer, nn.Linear):
        return values.flatten(0, -2)
    if isinstance(layer.padding, str):
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        sides = [(t // 2, t - t // 2) for t in reversed(total)] if layer.padding == "same" else []
        values = F.pad(values, [side for pair in sides for side in pair])
    padding = 0 if isinstance(layer.padding, str) else layer.padding
    patches = F.unfold(values, layer.kernel_size, layer.dilation, padding, layer.stride)
    return patches.transpose(1, 2).flatten(0, 1)


def _outputs(run: "_UpTo", piece: Tensor) -> Tensor:
    """What the layer writes, as rows (S, O)."""
    layer: Any = run.layer
    outputs: Tensor = layer(run.inputs_of(piece))
    return (
        outputs.flatten(0, -2)
        if isinstance(layer, nn.Linear)
        else outputs.flatten(2).transpose(1, 2).flatten(0, 1)
    )


def _positions(run: "_UpTo", layer: Any, inputs: Tensor) -> int:
    return len(rows_of_layer(layer, run.inputs_of(inputs[:1])))


class _Sums:
    """XᵀX and Xᵀ(Y - X W₀); a layer with a bias has a column of ones."""

    def __init__(self, layer: Any) -> None:
        self.biased = layer.bias is not None
        width = layer.weight[0].numel() + self.biased
        self.xx_II = torch.zeros(width, width, dtype=torch.float64)
        self.xr_IO = torch.zeros(width, len(layer.weight), dtype=torch.float64)

    def add(self, x_SI: Tensor, residuals_SO: Tensor) -> None:
        if self.biased:
            x_SI = torch.cat([x_SI, x_SI.new_ones(len(x_SI), 1)], dim=1)
        self.xx_II += (x_SI.T @ x_SI).cpu().double()
        self.xr_IO += (x_SI.T @ residuals_SO).cpu().double()

    def solve(self, layer: Any, ridge: float) -> None:
        """Put the solution of (1) into the layer."""
        strength = ridge * self.xx_II.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
        damped_II = self.xx_II + strength * torch.eye(len(self.xx_II), dtype=torch.float64)
        change_IO = torch.linalg.solve(damped_II, self.xr_IO).to(layer.weight)
        with torch.no_grad():
            if self.biased:
                layer.bias.add_(change_IO[-1])
                change_IO = change_IO[:-1]
            layer.weight.add_(change_IO.T.reshape(layer.weight.shape))


class _Reached(Exception):
    """Ends a forward pass at the node that was asked for."""


class _UpTo(fx.Interpreter):
    """What a layer gets as its input."""

    def __init__(self, module: nn.Module, graph: fx.Graph, name: str) -> None:
        super().__init__(module, graph=graph)
        self.name = name
        self.found: Tensor | None = None
        node = next(node for node in graph.nodes if node.name == name)
        self.layer = module.get_submodule(str(node.target))

    def inputs_of(self, inputs: Tensor) -> Tensor:
        """The layer's input for a batch, in eval mode."""
        try:
            with in_eval_mode(self.module):
                self.run(inputs)
        except _Reached:
            pass
        if self.found is None:
            raise ValueError(f"node {self.name} was not reached")
        return self.found

    def run_node(self, n: fx.Node) -> Any:
        if n.name == self.name:
            self.found = self.fetch_args_kwargs_from_env(n)[0][0]
            raise _Reached
        return super().run_node(n)
