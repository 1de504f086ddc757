"""What each kind of layer does to the units that run through it: which it reads, which it writes.

A layer that is missing here and in `composite_rules.py` is refused by name (`rules.py`); a new one is a function
and a line in `RULES`.

Shapes: labels are tensors of units, (N, C, …) or (…, C); I inputs, O outputs, G groups, H heads, D units a head.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from framework.fusion.units import Ints
from framework.fusion.walk import Role, Unknown, Walk, spread, varies

Shape = tuple[int, ...]
Rule = Callable[[Walk, str, Any, Tensor, Shape], Tensor]


def linear(walk: Walk, name: str, module: nn.Linear, labels: Tensor, shape: Shape) -> Tensor:
    """(…, I) → (…, O)."""
    walk.slot(f"{name}.weight", 1, walk.along(labels, -1), "reads")
    return _written(walk, name, module, 0, len(shape) - 1, shape)


def convolution(walk: Walk, name: str, module: Any, labels: Tensor, shape: Shape) -> Tensor:
    """(N, I, …) → (N, O, …), in groups, transposed or not."""
    inputs_I = walk.along(labels, 1)
    transposed = getattr(module, "transposed", False)
    read, write = (0, 1) if transposed else (1, 0)
    groups = int(module.groups)
    if groups == 1:
        walk.slot(f"{name}.weight", read, inputs_I, "reads")
        return _written(walk, name, module, write, 1, shape)
    if groups == len(inputs_I) == module.out_channels:  # depthwise: a channel stays itself
        walk.slot(f"{name}.weight", 0, inputs_I, "writes")
        if module.bias is not None:
            walk.slot(f"{name}.bias", 0, inputs_I, "writes")
        return spread(inputs_I, 1, shape)
    if transposed:
        raise Unknown("is a transposed convolution in groups, which has no rule; use groups=1, or depthwise")
    outputs_O = walk.units.new(int(module.out_channels))
    in_groups(walk, groups, inputs_I, outputs_O)
    walk.slot(f"{name}.weight", 1, inputs_I, "reads", groups)
    return _written(walk, name, module, 0, 1, shape, outputs_O)


def channel_norm(walk: Walk, name: str, module: Any, labels: Tensor, shape: Shape) -> Tensor:
    """Batch and instance normalisation of (N, C, …): parameters and running statistics a channel."""
    units_C = walk.along(labels, 1)
    for part, role in CHANNEL_PARTS.items():
        if getattr(module, part, None) is not None:
            walk.slot(f"{name}.{part}", 0, units_C, role)
    return spread(units_C, 1, shape)


def group_norm(walk: Walk, name: str, module: nn.GroupNorm, labels: Tensor, shape: Shape) -> Tensor:
    """Group normalisation of (N, C, …): channels keep together with their group, unless there is one."""
    units_C = walk.along(labels, 1)
    if module.num_groups > 1 and module.num_groups < len(units_C):
        blocks_G = walk.units.new(module.num_groups, level=1)
        walk.units.inside(units_C, blocks_G.repeat(len(units_C) // module.num_groups))
    return channel_norm(walk, name, module, labels, shape)


def layer_norm(walk: Walk, name: str, module: Any, labels: Tensor, shape: Shape) -> Tensor:
    """Layer and root-mean-square normalisation over the last dimensions, of which units run along one."""
    over = len(module.normalized_shape)
    dims = [dim for dim in range(labels.ndim - over, labels.ndim) if varies(labels, dim)]
    if len(dims) > 1:
        raise Unknown(f"normalises over {over} dimensions with units along {len(dims)} of them; allowed: one")
    for dim in dims:
        units = walk.along(labels, dim)
        for part in ("weight", "bias"):
            if getattr(module, part, None) is not None:
                walk.slot(f"{name}.{part}", dim - labels.ndim + over, units, "scales")
    return labels


def prelu(walk: Walk, name: str, module: nn.PReLU, labels: Tensor, shape: Shape) -> Tensor:
    """(N, C, …) with one slope, or one a channel."""
    if module.num_parameters > 1:
        walk.slot(f"{name}.weight", 0, walk.along(labels, 1), "scales")
    return labels


def embedding(walk: Walk, name: str, module: nn.Embedding, labels: Tensor, shape: Shape) -> Tensor:
    """(…) → (…, O): the rows of the table are not units, its columns are."""
    outputs_O = walk.units.new(module.embedding_dim)
    walk.slot(f"{name}.weight", 1, outputs_O, "writes")
    return spread(outputs_O, len(shape) - 1, shape)


def pool(walk: Walk, name: str, module: nn.Module, labels: Tensor, shape: Shape) -> Tensor:
    """Pooling and padding of (N, C, …): every place of a channel is the channel."""
    return spread(walk.along(labels, 1), 1, shape)


def glu(walk: Walk, name: str, module: nn.GLU, labels: Tensor, shape: Shape) -> Tensor:
    """One half opens the gates of the other."""
    value, gate = labels.chunk(2, module.dim)
    walk.units.same(value.contiguous().numpy(), gate.contiguous().numpy())
    return value


def moved(walk: Walk, name: str, module: nn.Module, labels: Tensor, shape: Shape) -> Tensor:
    """A layer that only moves elements about."""
    moved: Tensor = module(labels)
    return moved


def attention(
    walk: Walk, name: str, module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tensor, Any]:
    """Heads keep together; a head's queries and keys share their units, its values have their own."""
    query, key, value = (args[place] if place < len(args) else kwargs[word] for place, word in enumerate(QKV))
    width, heads = module.embed_dim, module.num_heads
    match_O, value_O, written_O = (walk.units.new(width) for _ in QKV)
    if heads > 1:
        in_groups(walk, heads, match_O, value_O)
    read = [walk.along(labels, -1) for labels in (query, key, value)]
    rows = np.concatenate([match_O, match_O, value_O])
    if module.in_proj_weight is None:  # keys and values of sizes of their own
        for part, units, columns in zip("qkv", (match_O, match_O, value_O), read, strict=True):
            walk.slot(f"{name}.{part}_proj_weight", 1, columns, "reads")
            walk.slot(f"{name}.{part}_proj_weight", 0, units, "writes")
    else:
        for other in read[1:]:  # one matrix holds all three: its columns are of one kind
            walk.units.same(read[0], other)
        walk.slot(f"{name}.in_proj_weight", 1, read[0], "reads")
        walk.slot(f"{name}.in_proj_weight", 0, rows, "writes")
    walk.slot(f"{name}.out_proj.weight", 1, value_O, "reads")
    walk.slot(f"{name}.out_proj.weight", 0, written_O, "writes")
    if module.in_proj_bias is not None:
        walk.slot(f"{name}.in_proj_bias", 0, rows, "writes")
        walk.slot(f"{name}.out_proj.bias", 0, written_O, "writes")
    return spread(written_O, query.ndim - 1, tuple(query.shape)), None


def in_groups(walk: Walk, groups: int, *several: Ints) -> Ints:
    """All of them, in as many equal parts, move part by part, together; the parts, (groups,)."""
    blocks = walk.units.new(groups, level=1)
    for units in several:
        walk.units.inside(units, blocks.repeat(len(units) // groups))
    return blocks


def _written(
    walk: Walk, name: str, module: Any, axis: int, dim: int, shape: Shape, outputs_O: Ints | None = None
) -> Tensor:
    """The layer's own rows, along `axis` of its weight and `dim` of what it gives."""
    if outputs_O is None:
        outputs_O = walk.units.new(shape[dim])
    walk.slot(f"{name}.weight", axis, outputs_O, "writes")
    if module.bias is not None:
        walk.slot(f"{name}.bias", 0, outputs_O, "writes")
    return spread(outputs_O, dim, shape)


_Conv = torch.nn.modules.conv._ConvNd
_Pool = (
    torch.nn.modules.pooling._MaxPoolNd,
    torch.nn.modules.pooling._AvgPoolNd,
    torch.nn.modules.pooling._AdaptiveAvgPoolNd,
    torch.nn.modules.pooling._AdaptiveMaxPoolNd,
    torch.nn.modules.padding._ConstantPadNd,
    torch.nn.modules.padding._ReflectionPadNd,
    torch.nn.modules.padding._ReplicationPadNd,
    nn.Upsample,
)
QKV = ("query", "key", "value")
CHANNEL_PARTS: dict[str, Role] = {
    "weight": "scales",
    "bias": "scales",
    "running_mean": "counts",
    "running_var": "counts",
}
WRITERS = (nn.Linear, _Conv)
RULES: dict[type, Rule] = {
    nn.Linear: linear,
    _Conv: convolution,
    torch.nn.modules.batchnorm._NormBase: channel_norm,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: layer_norm,
    nn.RMSNorm: layer_norm,
    nn.PReLU: prelu,
    nn.Embedding: embedding,
    **dict.fromkeys(_Pool, pool),
    nn.GLU: glu,
    **dict.fromkeys((nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle), moved),
}
NONLINEAR = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Softsign,
    nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Threshold, nn.Softmax,
    nn.LogSoftmax,
)  # fmt: skip
ELEMENTWISE = (*NONLINEAR, nn.Identity, torch.nn.modules.dropout._DropoutNd)
# Layers with a forward of their own, by name, as they need not be imported: other steps, and the results of the
# rule.
NAMED: dict[str, Rule] = {"FrozenBatchNorm2d": channel_norm, "DoublingConvTranspose2d": convolution}
