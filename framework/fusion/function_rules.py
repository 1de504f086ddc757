"""What functions and methods of tensors do to the units that run through them.

They are known by name, so that `torch.add`, `operator.add` and `Tensor.add` are one. A function that is missing
here is refused, unless nothing but fixed things go into it.

Shapes: labels are tensors of units, of the shape of the activation.
"""

import operator
from typing import Any

import torch
from torch import Tensor, fx

from framework.fusion.units import FIXED
from framework.fusion.walk import Unknown, Walk, spread, varies

Shape = tuple[int, ...]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SIZES = _names("getattr size dim numel assert")
MOVES = _names(
    "reshape view flatten ravel permute transpose t swapaxes movedim squeeze unsqueeze expand expand_as repeat "
    "contiguous clone detach getitem chunk split tensor_split cat concat concatenate stack unbind narrow select "
    "unflatten flip roll tile repeat_interleave index_select view_as reshape_as pixel_shuffle patch_merging_pad"
)
SAME = _names(
    "to float double half type dropout dropout1d dropout2d dropout3d neg abs exp log sqrt rsqrt square reciprocal "
    "sign clamp alpha_dropout masked_fill stochastic_depth nan_to_num"
)
NONLINEAR = _names(
    "relu relu_ relu6 leaky_relu elu selu celu gelu silu mish softplus softsign tanh sigmoid logsigmoid hardtanh "
    "hardswish hardsigmoid softmax log_softmax sin cos"
)
BINARY = _names(
    "add add_ sub sub_ mul mul_ div div_ truediv iadd isub imul itruediv maximum minimum pow radd rmul rsub"
)
REDUCES = _names("mean sum amax amin var std logsumexp prod norm")
POOLS = _names(
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d interpolate pad boolean_dispatch"
)


def apply_simple(
    walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], shape: Shape | None
) -> Any:
    """What the function or method at `node` gives, which is no product and no normalisation (`product_rules.py`).

    Raises:
        Unknown: there is no rule for it.
    """
    name = name_of(node)
    given = [value for value in _flat([args, kwargs]) if isinstance(value, Tensor)]
    if not given or name in SIZES or name in MOVES:
        value = _run(node, args, kwargs)
        made = not given and isinstance(value, Tensor)  # positions, masks: numbers that are no units
        return torch.full(value.shape, FIXED, dtype=torch.int64) if made else value
    found = _by_kind(walk, node, name, given, shape)
    if found is None and shape is not None and all(bool((labels == FIXED).all()) for labels in given):
        found = torch.full(shape, FIXED, dtype=torch.int64)
    if found is None:
        raise Unknown("is a function with no rule for the units in it; use a layer of torch.nn for it")
    return found


def name_of(node: fx.Node) -> str:
    """What a function is called, however it is written."""
    return str(getattr(node.target, "__name__", node.target)).strip("_")


def _by_kind(walk: Walk, node: fx.Node, name: str, given: list[Tensor], shape: Shape | None) -> Tensor | None:
    if name in NONLINEAR:
        walk.activated.append(node)
    if name in SAME or name in NONLINEAR:
        return given[0]
    if name in BINARY:
        return given[0] if len(given) == 1 else combined(walk, *given[:2])
    if name in REDUCES:
        return _reduced(walk, node, given[0], shape)
    if name in POOLS and shape is not None:
        return spread(walk.along(given[0], 1), 1, shape)
    return None


def combined(walk: Walk, first: Tensor, second: Tensor) -> Tensor:
    """A sum or product, element by element, of tensors that are broadcast.

    Raises:
        Unknown: each is spread over units of the other.
    """
    over = [_is_over(first, second), _is_over(second, first)]
    first, second = broadcast(first, second)
    if all(over) and bool((first != FIXED).any()) and bool((second != FIXED).any()):
        raise Unknown("is an outer product of units, which has no rule")
    if any(over):
        outer, inner = (first, second) if over[0] else (second, first)
        if bool((outer != FIXED).any()):
            walk.units.inside(inner.numpy(), outer.numpy())
        return inner
    levels = [walk.units.levels(labels.numpy()) for labels in (first, second)]
    if (levels[0] == levels[1]).all() or bool((first == FIXED).any() or (second == FIXED).any()):
        walk.units.same(first.numpy(), second.numpy())
        return first
    inner, outer = (first, second) if levels[0].max() < levels[1].max() else (second, first)
    if _one_to_one(inner, outer):  # one number for each block is the block's own, as a scale of each head
        walk.units.same(inner.numpy(), outer.numpy())
        return outer
    walk.units.inside(inner.numpy(), outer.numpy())
    return inner


def _one_to_one(first: Tensor, second: Tensor) -> bool:
    pairs = torch.stack([first.flatten(), second.flatten()]).unique(dim=1).shape[1]  # type: ignore[no-untyped-call]
    return bool(pairs == len(first.unique()) == len(second.unique()))  # type: ignore[no-untyped-call]


def broadcast(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the shape that they have together."""
    shape = torch.broadcast_shapes(first.shape, second.shape)  # type: ignore[no-untyped-call]
    return first.expand(shape), second.expand(shape)


def _is_over(first: Tensor, second: Tensor) -> bool:
    """Whether `first` is broadcast along a dimension along which units of `second` run."""
    missing = max(0, second.ndim - first.ndim)
    sizes = [1] * missing + list(first.shape)[max(0, first.ndim - second.ndim) :]
    return any(size == 1 and varies(second, dim) for dim, size in enumerate(sizes))


def _reduced(walk: Walk, node: fx.Node, labels: Tensor, shape: Shape | None) -> Tensor:
    """Of a reduction: the dimensions that it takes away are those that its real shape lacks."""
    words: dict[str, Any] = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | dict(node.kwargs)
    dims = words.get("dim", words.get("axis"))
    chosen: list[Any] = [*range(labels.ndim)] if dims is None else [dims] if isinstance(dims, int) else list(dims)
    reduced = walk.together(labels, [dim % labels.ndim for dim in chosen])
    return reduced.reshape(shape) if shape is not None else reduced


def _run(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    if node.target is getattr or node.target is operator.getitem:
        return node.target(*args)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [part for item in value for part in _flat(item)] if isinstance(value, tuple | list) else [value]
