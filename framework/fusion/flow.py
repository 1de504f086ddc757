"""Walks a module's graph with units in place of activations.

The element (n, c, h, w) of a tensor holds the unit that channel c is. What only moves elements about (reshape,
flatten, concatenation, slices, heads) is run on them as it stands; a layer with weights reads its columns off its
input and puts new units, its rows, into its output; a sum says that its two sides are the same. The rules are in
`layer_rules.py` and `function_rules.py`.
"""

from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.function_rules import apply_function
from framework.fusion.layer_rules import apply_layer
from framework.fusion.units import FIXED
from framework.fusion.walk import Unknown, Walk, varies
from framework.models.graph import Traced


def walk(module: nn.Module, traced: Traced, *, fix_outputs: bool = True) -> Walk:
    """Walk the graph of `module`. With `fix_outputs` the units of what it gives are `FIXED`.

    Raises:
        InvalidInput: a node that no rule is known for, or that lets units meet in a way that cannot be told.
    """
    found = Walk()
    walker = _Walker(module, traced, found)
    outputs = walker.run(*(None for node in traced.graph.nodes if node.op == "placeholder"))
    if fix_outputs:
        for labels in _tensors(outputs):
            found.units.same(labels.numpy(), torch.full_like(labels, FIXED).numpy())
    return found


class _Walker(fx.Interpreter):
    def __init__(self, module: nn.Module, traced: Traced, found: Walk) -> None:
        super().__init__(module, graph=traced.graph)
        self.traced, self.found = traced, found
        self.extra_traceback = False  # it would add to the messages of errors that are addressed to the user
        self.parameters = dict(module.named_parameters())

    def run_node(self, n: fx.Node) -> Any:
        shape: Any = self.traced.values[n][0] if n in self.traced.values else None
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        try:
            if n.op == "placeholder":
                value: Any = torch.full(shape, FIXED, dtype=torch.int64)
            elif n.op == "get_attr":
                value = self._attribute(str(n.target))
            elif n.op == "output":
                return args[0]
            elif n.op == "call_module":
                value = apply_layer(self.found, n, self.fetch_attr(str(n.target)), args, kwargs, shape)
            else:
                value = apply_function(self.found, n, args, kwargs, shape)
        except Unknown as error:
            raise InvalidInput([Problem(f"node {n.name}", f"{described(n, self.module)} {error}")]) from error
        if isinstance(value, Tensor):
            dims = [dim for dim in range(value.ndim) if varies(value, dim)]
            if len(dims) == 1:
                self.found.channels[n] = (dims[0], self.found.along(value, dims[0]))
        return value

    def _attribute(self, name: str) -> Any:
        value = self.fetch_attr(name)
        if not isinstance(value, Tensor):
            return value
        if name not in self.parameters:
            return torch.full(value.shape, FIXED, dtype=torch.int64)
        if name not in self.found.loose:
            units = torch.from_numpy(self.found.units.new(value.numel())).reshape(value.shape)
            self.found.loose[name] = units
        return self.found.loose[name]


def described(node: fx.Node, module: nn.Module) -> str:
    """A node in words: what it calls."""
    if node.op == "call_module":
        return f"(module {node.target}, {type(module.get_submodule(str(node.target))).__name__})"
    return f"({getattr(node.target, '__name__', node.target)})"


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [tensor for part in value for tensor in _tensors(part)] if isinstance(value, tuple | list) else []
