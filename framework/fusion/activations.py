"""The activations of a module's units, batch by batch, and their products between two modules.

Shapes: n units of the model, D numbers a unit, S inputs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.fusion.bases import Activation, Basis
from framework.fusion.costs import Products
from framework.fusion.structure import Structure
from framework.models.batch import Inputs, pieces, running, tensors
from framework.models.graph import in_eval_mode

PIECE = 100  # inputs at a time


def activations(
    module: nn.Module, structure: Structure, which: Mapping[str, Sequence[Activation]], inputs: Inputs
) -> Iterator[dict[str, Tensor]]:
    """Batch by batch the activations (n, D) of each basis in `which`, in eval mode."""
    names = {activation.node for watched in which.values() for activation in watched}
    run = _Watcher(module, structure.graph, names)
    for batch in pieces(inputs, PIECE):
        with in_eval_mode(module):  # not around the yield: whoever reads would go on without gradients
            seen = run.watch(batch)
        yield {
            name: torch.cat([_units(seen[activation.node], activation) for activation in watched], dim=1)
            for name, watched in which.items()
        }


def watched(basis: Basis, which: str) -> tuple[Activation, ...]:
    """Where to watch a basis before (`pre`) or behind (`post`) its nonlinearity; where it has none, before."""
    return basis.activated or basis.written if which == "post" else basis.written


def activation_products(
    modules: tuple[nn.Module, nn.Module],
    structures: tuple[Structure, Structure],
    inputs: Inputs,
    which: str,
    statistic: str,
) -> dict[str, Products]:
    """Of each basis that can be watched, by its name in the first, over the same inputs for both modules."""
    wanted = [
        {basis.name: watched(part, which) for basis, part in zip(structures[0].bases, of.bases, strict=True)}
        for of in structures
    ]
    streams = [
        activations(module, part, {name: nodes for name, nodes in of.items() if nodes}, inputs)
        for module, part, of in zip(modules, structures, wanted, strict=True)
    ]
    found: dict[str, Products] = {}
    for first, second in zip(*streams, strict=True):
        for name, features in first.items():
            piece = Products.of(features.double(), second[name].double())
            found[name] = found[name] + piece if name in found else piece
    if statistic != "raw":
        found = {name: products.centred() for name, products in found.items()}
    if statistic == "standardised":
        found = {name: products.normalised() for name, products in found.items()}
    return found


def _units(values: Tensor, activation: Activation) -> Tensor:
    return values.movedim(activation.dim, 0)[activation.positions].flatten(1)


class _Watcher(fx.Interpreter):
    def __init__(self, module: nn.Module, graph: fx.Graph, names: set[str]) -> None:
        super().__init__(module, graph=graph)
        self.names = names
        self.seen: dict[str, Tensor] = {}

    def watch(self, inputs: Inputs) -> dict[str, Tensor]:
        self.seen = {}
        with running(self.module, inputs):
            self.run(*tensors(inputs))
        return self.seen

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if n.name in self.names:
            # A later layer may write into the same memory (inplace=True).
            self.seen[n.name] = value[0].clone() if isinstance(value, tuple) else value.clone()
        return value


class _Reached(BaseException):
    """No error: ends a forward pass at the node that was asked for."""


class UpTo(fx.Interpreter):
    """What a layer gets as its input."""

    def __init__(self, module: nn.Module, graph: fx.Graph, name: str) -> None:
        super().__init__(module, graph=graph)
        self.name = name
        self.found: Tensor | None = None
        node = next(node for node in graph.nodes if node.name == name)
        self.layer = module.get_submodule(str(node.target))

    def inputs_of(self, inputs: Inputs) -> Tensor:
        """The layer's input for a batch, in eval mode."""
        try:
            with in_eval_mode(self.module), running(self.module, inputs):
                self.run(*tensors(inputs))
        except _Reached:
            pass
        if self.found is None:
            raise ValueError(f"node {self.name} was not reached")
        found, self.found = self.found, None
        return found

    def run_node(self, n: fx.Node) -> Any:
        if n.name == self.name:
            args, words = self.fetch_args_kwargs_from_env(n)
            self.found = args[0] if args else words["input"]
            raise _Reached
        return super().run_node(n)
