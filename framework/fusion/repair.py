"""The variance that averaging takes away, given back: REPAIR, and fresh statistics for batch normalisation.

Where two models' activations are not the same, their mean varies less than each of them. For every unit that a
layer writes, in the order of the graph, each layer seeing its repaired inputs,

    y ← (y - mean) · s / std + m,    m = Σ_k share_k mean_k,    s = Σ_k share_k std_k                           (1)

(Jordan, Sedghi, Saukh, Entezari and Neyshabur, "REPAIR: renormalizing permuted activations for interpolation
repair", 2023, equation 2). It is put into the layer's own weight and bias; of a layer without bias only the scale
is repaired. Where batch normalisation follows, its running statistics are taken anew instead, as the authors do.

Shapes: n units of a layer, S inputs.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.activations import PIECE
from framework.fusion.layer_rules import WRITERS
from framework.fusion.precision import inputs_for
from framework.fusion.refusals import is_parametrized
from framework.fusion.structure import Structure
from framework.models.batch import Inputs, as_inputs, call, chosen, count, pieces, running, tensors
from framework.models.graph import in_eval_mode

TINY = 1e-8
NORMS = torch.nn.modules.batchnorm._BatchNorm
PASSING = (nn.Identity, nn.Flatten, torch.nn.modules.dropout._DropoutNd)
SUMS = ("add", "iadd", "cat", "concat", "flatten", "view", "reshape", "dropout")
"""Functions behind which a unit is what it was, or a sum with others."""


def repair(
    fused: nn.Module,
    parents: Sequence[nn.Module],
    structure: Structure,
    inputs: Inputs,
    shares: Sequence[float],
) -> nn.Module:
    """A repaired copy of `fused`. The parents are in its basis; `inputs` (S, …) are of the train split.

    Batch normalisation gets fresh running statistics; layers that none follows are rescaled by equation (1), each
    once what runs into it is repaired. Whatever the outputs are made of (the last layer) is rescaled too.

    Raises:
        InvalidInput: fewer than two inputs, where statistics are taken anew.
    """
    computed = [
        name for name, part in fused.named_modules() if isinstance(part, WRITERS) and is_parametrized(part)
    ]
    if computed:
        message = (
            "has a weight that is computed, which cannot be rescaled; make it plain (remove_parametrizations)"
        )
        raise InvalidInput([Problem(name, message) for name in computed])
    mended = copy.deepcopy(fused)
    layers = [node for node in structure.graph.nodes if _is_writer(mended, node) and not _normalised(mended, node)]
    wanted = _mean_statistics([_statistics(parent, structure.graph, inputs, layers) for parent in parents], shares)
    for node in layers:
        reset_statistics(mended, inputs)
        mean_n, std_n = _statistics(mended, structure.graph, inputs, [node])[node.name]
        _rescale(mended.get_submodule(str(node.target)), mean_n, std_n, *wanted[node.name])
    return reset_statistics(mended, inputs)


def has_statistics(module: nn.Module) -> bool:
    """Whether there is batch normalisation with running statistics in it."""
    return any(isinstance(part, NORMS) and part.track_running_stats for part in module.modules())


def reset_statistics(module: nn.Module, inputs: Inputs) -> nn.Module:
    """`module` itself, its running statistics of batch normalisation, if any, replaced by those over `inputs`.

    Many inputs are seen in pieces, drawn at random: whatever their order (sorted by class, task by task), a layer
    behind another normalisation sees pieces that are alike. Where one cannot be run the module stays as it was.

    Raises:
        InvalidInput: fewer than two inputs, which have no variance; NaN among them, or what is no tensor.
    """
    if not has_statistics(module):
        return module
    inputs = as_inputs(inputs)
    number = count(inputs)
    if number < 2:
        raise InvalidInput([Problem("inputs", f"holds {number}; running statistics need 2, better hundreds")])
    inputs = inputs_for(module, inputs)
    norms = [part for part in module.modules() if isinstance(part, NORMS) and part.track_running_stats]
    momenta, modes = [norm.momentum for norm in norms], [(part, part.training) for part in module.modules()]
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        module.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        seen = 0
        for rows in _drawn(number):
            seen += len(rows)
            _gather(module, norms, chosen(inputs, rows), len(rows) / seen)
    except Exception:
        for norm, buffers in zip(norms, before, strict=True):
            norm.load_state_dict(buffers, strict=False)
        raise
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for part, training in modes:
            part.training = training
    return module


def _drawn(number: int) -> Sequence[Tensor]:
    """The numbers of so many inputs in random pieces of like size: of one input alone there is no variance."""
    if number <= PIECE:
        return [torch.arange(number)]
    order = torch.randperm(number, generator=torch.Generator().manual_seed(0))
    return torch.split(order, math.ceil(number / math.ceil(number / PIECE)))


@torch.no_grad()
def _gather(module: nn.Module, norms: Sequence[Any], piece: Inputs, share: float) -> None:
    """Add a piece, `share` of what was seen with it, to the running statistics. The mean over pieces of their
    variances is not the variance over all: what the pieces' means vary by is added.
    """
    before = [norm.running_mean.clone() for norm in norms]
    for norm in norms:
        norm.momentum = share
    call(module, piece)
    for norm, mean in zip(norms, before, strict=True):
        norm.running_var.add_((norm.running_mean - mean).square(), alpha=(1 - share) / share)


def _is_writer(module: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), WRITERS)


def _normalised(module: nn.Module, node: fx.Node) -> bool:
    """Whether all that a layer writes runs into batch normalisation, before a nonlinearity or another layer."""
    waiting, met = list(node.users), set(node.users)
    while waiting:
        user = waiting.pop()
        part = module.get_submodule(str(user.target)) if user.op == "call_module" else None
        if isinstance(part, NORMS):
            continue
        name = str(getattr(user.target, "__name__", user.target)).strip("_")
        if not (isinstance(part, PASSING) if part is not None else user.op.startswith("call") and name in SUMS):
            return False
        waiting += [further for further in user.users if further not in met]
        met.update(user.users)
    return bool(node.users)


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


def _statistics(module: nn.Module, graph: fx.Graph, inputs: Inputs, layers: Sequence[fx.Node]) -> Statistics:
    """Mean and standard deviation (n,) of what each layer writes, over inputs and positions."""
    run = _Recorder(module, graph, {node.name for node in layers})
    with in_eval_mode(module):
        for piece in pieces(inputs, PIECE):
            with running(module, piece):
                run.run(*tensors(piece))
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
