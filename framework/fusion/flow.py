"""Walks a module's graph with units in place of activations.

The element (n, c, h, w) of a tensor holds the unit that channel c is. What only moves elements about (reshape,
flatten, concatenation, slices, heads) is run on them as it is; a layer with weights reads its columns off its
input and puts new units, its rows, into its output; a sum says that its two sides are the same. The rules are in
`layer_rules.py`, `composite_rules.py`, `function_rules.py` and `product_rules.py`; `rules.py` chooses.
"""

from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.function_rules import name_of
from framework.fusion.product_rules import apply_function
from framework.fusion.refusals import is_parametrized
from framework.fusion.rules import apply_layer, described
from framework.fusion.units import FIXED
from framework.fusion.walk import Unknown, Walk, varies
from framework.models.graph import Traced


def walk(module: nn.Module, traced: Traced, *, fix_outputs: bool = True) -> Walk:
    """Walk the graph of `module`. With `fix_outputs` the units of what it gives are `FIXED`.

    Raises:
        InvalidInput: a node that no rule is known for, or that lets units meet in a way that cannot be told.
    """
    found = Walk(held=_held(module))
    walker = _Walker(module, traced, found)
    outputs = walker.run(*(None for node in traced.graph.nodes if node.op == "placeholder"))
    found.pinned = found.pinned_so_far()  # the outputs are fixed by wish
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
        if n.op.startswith("call") and name_of(n) in ("getitem", "index_select"):
            args = fx.node.map_arg(n.args, self._index)
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
        except (Unknown, RuntimeError, IndexError, TypeError, ValueError) as error:
            if not isinstance(error, Unknown):
                error = Unknown(f"cannot be followed with units in place of numbers: {error}")
            raise InvalidInput([Problem(f"node {n.name}", f"{described(n, self.module)} {error}")]) from error
        if isinstance(value, Tensor):
            dims = [dim for dim in range(value.ndim) if varies(value, dim)]
            if len(dims) == 1:
                self.found.channels[n] = (dims[0], self.found.along(value, dims[0]))
        return value

    def _index(self, n: fx.Node) -> Any:
        """What a node holds; of a buffer with the numbers of units those numbers."""
        value = self.fetch_attr(str(n.target)) if n.op == "get_attr" else None
        return value if isinstance(value, Tensor) and not value.is_floating_point() else self.env[n]

    def _attribute(self, name: str) -> Any:
        value = self.fetch_attr(name)
        if not isinstance(value, Tensor):
            return value
        if name not in self.parameters:
            return torch.full(value.shape, FIXED, dtype=torch.int64)
        if name not in self.found.elementwise:
            units = torch.from_numpy(self.found.units.new(value.numel())).reshape(value.shape)
            self.found.elementwise[name] = units
        return self.found.elementwise[name]


def _held(module: nn.Module) -> dict[str, list[tuple[str, int | None]]]:
    """Of each weight under weight normalisation the tensors that it is computed from: directions of its own shape,
    and lengths along one axis. (`refusals.py` lets no other parametrisation pass.)
    """
    held: dict[str, list[tuple[str, int | None]]] = {}
    for name, part in module.named_modules():
        if is_parametrized(part):
            lists: Any = part.get_submodule("parametrizations")
            for tensor, kinds in lists.items():
                base = f"{name}.".lstrip(".")
                path = f"{base}parametrizations.{tensor}.original"
                held[f"{base}{tensor}"] = [(f"{path}1", None), (f"{path}0", int(kinds[0].dim))]
    return held


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [tensor for part in value for tensor in _tensors(part)] if isinstance(value, tuple | list) else []
