"""The variance that averaging takes away, given back: REPAIR, and fresh statistics for batch normalisation.

Where two models' activations are not the same, their mean varies less than each of them. For every unit that a
layer writes, in the order of the graph, each layer seeing its repaired inputs,

    y ← (y - mean) · s / std + m,    m = Σ_k share_k mean_k,    s = Σ_k share_k std_k                           (1)

(Jordan, Sedghi, Saukh, Entezari and Neyshabur, "REPAIR: renormalizing permuted activations for interpolation
repair", 2023, equation 2). It is put into the layer's own weight and bias; of a layer without bias only the scale
is repaired. Running statistics of batch normalisation are taken anew instead, as the authors do.

Shapes: n units of a layer, S inputs.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.fusion.features import PIECE
from framework.fusion.layer_rules import WRITERS
from framework.fusion.structure import Structure
from framework.models.graph import in_eval_mode

TINY = 1e-8
NORMS = torch.nn.modules.batchnorm._BatchNorm


def repair(
    fused: nn.Module,
    parents: Sequence[nn.Module],
    structure: Structure,
    inputs: Tensor,
    shares: Sequence[float],
) -> nn.Module:
    """A repaired copy of `fused`. The parents are in its basis; `inputs` (S, …) are of the train split.

    A module with batch normalisation gets fresh running statistics; layers that no normalisation follows are
    rescaled by equation (1). Whatever the outputs are made of (the last layer) is rescaled too.
    """
    mended = copy.deepcopy(fused)
    if any(isinstance(part, NORMS) for part in mended.modules()):
        return reset_statistics(mended, inputs)
    layers = [node for node in structure.graph.nodes if _is_writer(mended, node)]
    wanted = _mean_statistics([_statistics(parent, structure.graph, inputs, layers) for parent in parents], shares)
    for node in layers:
        mean_n, std_n = _statistics(mended, structure.graph, inputs, [node])[node.name]
        _rescale(mended.get_submodule(str(node.target)), mean_n, std_n, *wanted[node.name])
    return mended


def reset_statistics(module: nn.Module, inputs: Tensor) -> nn.Module:
    """`module` itself, its running statistics of batch normalisation replaced by those over `inputs`."""
    norms = [part for part in module.modules() if isinstance(part, NORMS) and part.track_running_stats]
    momenta, modes = [norm.momentum for norm in norms], [(part, part.training) for part in module.modules()]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    with torch.no_grad():
        for piece in torch.split(inputs, PIECE):
            if len(piece) > 1:
                module(piece)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for part, training in modes:
        part.training = training
    return module


def _is_writer(module: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), WRITERS)


def _rescale(layer: Any, mean_n: Tensor, std_n: Tensor, wanted_mean_n: Tensor, wanted_std_n: Tensor) -> None:
    scale_n = torch.where(std_n > TINY, wanted_std_n / std_n.clamp_min(TINY), torch.ones_like(std_n)).to(
        layer.weight
    )
    axis = 1 if getattr(layer, "transposed", False) else 0
    shape = [1] * layer.weight.ndim
    shape[axis] = -1
    with torch.no_grad():
        layer.weight.mul_(scale_n.reshape(shape))
        if layer.bias is not None:
            layer.bias.sub_(mean_n.to(layer.bias)).mul_(scale_n).add_(wanted_mean_n.to(layer.bias))


Statistics = dict[str, tuple[Tensor, Tensor]]


def _statistics(module: nn.Module, graph: fx.Graph, inputs: Tensor, layers: Sequence[fx.Node]) -> Statistics:
    """Mean and standard deviation (n,) of what each layer writes, over inputs and positions."""
    run = _Recorder(module, graph, {node.name for node in layers})
    with in_eval_mode(module):
        for piece in torch.split(inputs, PIECE):
            run.run(piece)
    return {
        name: (sums / count, (squares / count - (sums / count).square()).clamp_min(0).sqrt())
        for name, (sums, squares, count) in run.sums.items()
    }


def _mean_statistics(found: Sequence[Statistics], shares: Sequence[float]) -> Statistics:
    return {
        name: tuple(
            torch.stack([share * of[name][which] for share, of in zip(shares, found, strict=True)]).sum(0)
            for which in (0, 1)
        )  # type: ignore[misc]
        for name in found[0]
    }


class _Recorder(fx.Interpreter):
    def __init__(self, module: nn.Module, graph: fx.Graph, names: set[str]) -> None:
        super().__init__(module, graph=graph)
        self.names = names
        self.sums: dict[str, tuple[Tensor, Tensor, int]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.names:
            layer = self.module.get_submodule(str(n.target))
            dim = -1 if isinstance(layer, nn.Linear) else 1
            flat = value.movedim(dim, 0).flatten(1).double()
            before = self.sums.get(n.name, (torch.zeros(()), torch.zeros(()), 0))
            self.sums[n.name] = (
                before[0] + flat.sum(1), before[1] + flat.square().sum(1), before[2] + flat.shape[1]
            )  # fmt: skip
        return value
