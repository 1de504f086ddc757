"""What functions that multiply and normalise do to units: matrix products, einsum, attention, layer normalisation.

Parameters that they are given take part: what a product sums over is read, what it leaves is written.

Shapes: labels are tensors of units; T and S positions, D units a head, G heads, C units of a stream.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from framework.fusion.function_rules import Shape, apply_simple, broadcast, combined, name_of
from framework.fusion.layer_rules import in_groups
from framework.fusion.units import FIXED
from framework.fusion.walk import Role, Unknown, Walk, spread, varies


def apply_function(
    walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], shape: Shape | None
) -> Any:
    """What the function or method at `node` gives for the units that it takes.

    Raises:
        Unknown: there is no rule for it.
    """
    rule = RULES.get(name_of(node))
    return rule(walk, node, args, kwargs) if rule else apply_simple(walk, node, args, kwargs, shape)


def matmul(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """(…, T, D) times (…, D, S); with a parameter of two axes it is a linear layer."""
    first, second = (*args, *kwargs.values())[:2]
    source = node.all_input_nodes[-1]
    if str(source.target) in walk.elementwise and second.ndim == 2:
        return _linear(walk, str(source.target), first, second, inputs_axis=0)
    if first.ndim < 2 or second.ndim < 2:
        raise Unknown("multiplies by a vector, which has no rule; use torch.nn.Linear")
    return _product(walk, first, second)


def functional_linear(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """F.linear of a parameter of the module."""
    values = (*args, *kwargs.values())
    source = node.all_input_nodes[1]
    if str(source.target) not in walk.elementwise:
        raise Unknown("has a weight that is computed, not a parameter")
    outputs = _linear(walk, str(source.target), values[0], values[1], inputs_axis=1)
    if len(values) > 2 and isinstance(values[2], Tensor):
        return combined(walk, outputs, values[2])
    return outputs


def attention(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """softmax(q kᵀ) v, head by head."""
    query, key, value = args[:3]
    return _product(walk, _product(walk, query, key.transpose(-2, -1)), value)


def _linear(walk: Walk, name: str, labels: Tensor, weight: Tensor, inputs_axis: int) -> Tensor:
    walk.elementwise.pop(name)
    walk.slot(name, inputs_axis, walk.along(labels, -1), "reads")
    outputs_O = walk.units.new(weight.shape[1 - inputs_axis])
    walk.slot(name, 1 - inputs_axis, outputs_O, "writes")
    return spread(outputs_O, labels.ndim - 1, (*labels.shape[:-1], len(outputs_O)))


def _product(walk: Walk, first: Tensor, second: Tensor) -> Tensor:
    """The units of a matrix product of activations: what is summed over is the same on both sides."""
    if varies(first, -1) or varies(second, -2):
        if not (varies(first, -1) and varies(second, -2)):
            fixed = torch.full((), FIXED, dtype=torch.int64)
            for labels in (first, second):
                walk.units.same(labels.numpy(), fixed.expand(labels.shape).numpy())
            return torch.full((*first.shape[:-1], second.shape[-1]), FIXED, dtype=torch.int64)
        rows, columns = broadcast(first, second.transpose(-2, -1)[..., :1, :])
        walk.units.same(rows.numpy(), columns.numpy())
        blocks = walk.together(first[..., :1, :], [first.ndim - 1])
        return blocks.expand(*first.shape[:-1], second.shape[-1])
    return combined(walk, first[..., :1].expand(*first.shape[:-1], 1), second[..., :1, :]).expand(
        *first.shape[:-1], second.shape[-1]
    )


def einsum(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """One operand, whose axes are moved or summed, or two, as a matrix product of grouped axes."""
    equation, *operands = args
    if len(operands) == 1 and not isinstance(operands[0], Tensor):
        operands = list(operands[0])
    written = str(equation).replace(" ", "")
    if "..." in written or "->" not in written or not 1 <= len(operands) <= 2:
        raise Unknown(f"{written!r} has no rule; name every axis, with '->', for one or two operands")
    sides = written.split("->")
    letters, out = sides[0].split(","), sides[1]
    if any(len(set(word)) < len(word) for word in letters):
        raise Unknown(f"{written!r} takes a diagonal, which has no rule")
    if len(operands) == 1:
        gone = [place for place, letter in enumerate(letters[0]) if letter not in out]
        rest = walk.together(operands[0], gone).squeeze(gone) if gone else operands[0]
        return _axes(rest, [letter for letter in letters[0] if letter in out], out)
    nodes = list(node.all_input_nodes)
    weight = len(nodes) == 2 and str(nodes[1].target) in walk.elementwise and nodes[1].op == "get_attr"
    if weight and operands[1].ndim == 2 and not set(letters[1]) <= set(out):
        shared = [letter for letter in letters[1] if letter in letters[0] and letter not in out]
        if len(shared) != 1:
            raise Unknown(f"{written!r} has no rule for its parameter; use torch.nn.Linear")
        first = _axes(operands[0], list(letters[0]), letters[0].replace(shared[0], "") + shared[0])
        made = _linear(walk, str(nodes[1].target), first, operands[1], letters[1].index(shared[0]))
        new = letters[1].replace(shared[0], "")
        return _axes(made, list(letters[0].replace(shared[0], "") + new), out)
    return _contracted(walk, operands, letters, out)


def _contracted(walk: Walk, operands: Sequence[Tensor], letters: Sequence[str], out: str) -> Tensor:
    batch = [x for x in letters[0] if x in letters[1] and x in out]
    summed = [x for x in letters[0] if x in letters[1] and x not in out]
    free = [[x for x in word if x not in letters[1 - side]] for side, word in enumerate(letters)]
    if any(x not in out for side in free for x in side):
        raise Unknown("sums an axis of one operand alone; sum it before")
    sizes = {
        x: n
        for word, labels in zip(letters, operands, strict=True)
        for x, n in zip(word, labels.shape, strict=True)
    }

    def grouped(labels: Tensor, word: str, *groups: list[str]) -> Tensor:
        shape = [sizes[x] for x in batch] + [int(np.prod([sizes[x] for x in group])) for group in groups]
        return _axes(labels, list(word), "".join([*batch, *(x for group in groups for x in group)])).reshape(shape)

    first = grouped(operands[0], letters[0], free[0], summed)
    second = grouped(operands[1], letters[1], summed, free[1])
    order = [*batch, *free[0], *free[1]]
    return _axes(_product(walk, first, second).reshape([sizes[x] for x in order]), order, out)


def _axes(labels: Tensor, now: Sequence[str], wanted: str) -> Tensor:
    return labels.permute([list(now).index(letter) for letter in wanted])


def layer_norm(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """F.layer_norm and F.rms_norm over the last dimensions, of which units run along one."""
    given = dict(zip(("input", "normalized_shape", "weight", "bias"), args, strict=False)) | kwargs
    labels, over = given["input"], len(given["normalized_shape"])
    dims = [dim for dim in range(labels.ndim - over, labels.ndim) if varies(labels, dim)]
    if len(dims) > 1:
        raise Unknown(f"normalises over {over} dimensions with units along {len(dims)} of them; allowed: one")
    for word in ("weight", "bias"):
        name = _parameter(walk, node, word, ("input", "normalized_shape", "weight", "bias"))
        if isinstance(given.get(word), Tensor) and name is None:
            combined(walk, labels, given[word])
        elif name is not None:
            walk.elementwise.pop(name)
            for dim in dims:
                walk.slot(name, dim - labels.ndim + over, walk.along(labels, dim), "scales")
    found: Tensor = labels
    return found


WINDOWS = (
    "input", "qkv_weight", "proj_weight", "relative_position_bias", "window_size", "num_heads", "shift_size",
    "attention_dropout", "dropout", "qkv_bias", "proj_bias", "logit_scale", "training",
)  # fmt: skip


def windows(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """torchvision's attention in shifted windows, (N, T, S, C): windows are places, so that only heads and their
    insides move; a head takes its biases of positions (and its temperature) along.
    """
    given = dict(zip(WINDOWS, args, strict=False)) | kwargs
    labels, heads = given["input"], int(given["num_heads"])
    inputs_C = walk.along(labels, -1)
    match_C, value_C, written_C = (walk.units.new(len(inputs_C)) for _ in range(3))
    blocks = in_groups(walk, heads, match_C, value_C)
    rows = np.concatenate([match_C, match_C, value_C])
    slots: list[tuple[str, int, Any, Role]] = [
        ("qkv_weight", 1, inputs_C, "reads"), ("qkv_weight", 0, rows, "writes"), ("qkv_bias", 0, rows, "writes"),
        ("proj_weight", 1, value_C, "reads"), ("proj_weight", 0, written_C, "writes"),
        ("proj_bias", 0, written_C, "writes"),
    ]  # fmt: skip
    names = {word: _parameter(walk, node, word, WINDOWS) for word in WINDOWS}
    for word, axis, units, role in slots:
        if not isinstance(given.get(word), Tensor):
            continue
        if names[word] is None:
            raise Unknown(f"has a {word} that is computed, not a parameter")
        walk.slot(str(names[word]), axis, units, role)
    for name in {names[word] for word, *_ in slots} - {None}:
        walk.elementwise.pop(str(name), None)
    for word, dim in (("relative_position_bias", 1), ("logit_scale", 0)):
        if isinstance(given.get(word), Tensor):
            walk.units.same(walk.along(given[word], dim), blocks)
    return spread(written_C, labels.ndim - 1, tuple(labels.shape))


def position_bias(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """torchvision's table of biases, (places, G) → (1, G, T, T), T places in a window."""
    table, _, window = (*args, *kwargs.values())
    heads_G, places = walk.along(table, 1), int(np.prod(window))
    return spread(heads_G, 1, (1, len(heads_G), places, places))


def _parameter(walk: Walk, node: fx.Node, word: str, words: Sequence[str]) -> str | None:
    """The parameter that a function gets as `word`, if it gets one as it is."""
    place = list(words).index(word)
    source = node.args[place] if place < len(node.args) else node.kwargs.get(word)
    held = isinstance(source, fx.Node) and source.op == "get_attr" and str(source.target) in walk.elementwise
    return str(source.target) if held and isinstance(source, fx.Node) else None


RULES: dict[str, Callable[[Walk, fx.Node, tuple[Any, ...], dict[str, Any]], Tensor]] = {
    "matmul": matmul,
    "bmm": matmul,
    "einsum": einsum,
    "linear": functional_linear,
    "scaled_dot_product_attention": attention,
    "layer_norm": layer_norm,
    "rms_norm": layer_norm,
    "shifted_window_attention": windows,
    "get_relative_position_bias": position_bias,
}
