"""A graph cut in two behind one of its nodes: what comes before, what comes after, and what runs past it.

The part behind needs tensors that follow from the images' pixels, and all of these must come through the cut. What
else it needs it makes anew: parameters, and sizes, which follow from the number of latents. Knows no names of
layers.

Shapes: N images, S the shape of the cut node's output for one image.
"""

import operator
from functools import cached_property
from typing import Any

import torch
from torch import fx
from torch.fx.node import Argument, map_arg

from framework.models.graph import Linear, Traced, plain


class Cut:
    """The cut behind `node`. It is possible where `problem` is empty; `shape` is then S."""

    def __init__(self, traced: Traced, node: fx.Node) -> None:
        self.traced, self.node = traced, node
        self.output = traced.graph.output_node()
        self.behind = self._needed(self.output, through_cut=False)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the node's output for one image; empty where it has none."""
        try:
            first, *rest = plain(self.traced.values[self.node])
        except (ValueError, TypeError):
            return ()
        one_row_an_image = first == Linear(0, 1) and all(
            isinstance(side, Linear) and not side.slope for side in rest
        )
        return tuple(side.constant for side in rest) if one_row_an_image else ()

    @cached_property
    def problem(self) -> str:
        """Why the cut is impossible; empty where it is possible."""
        if not self.shape:
            return "whose output is not one tensor with images along its first axis"
        after = {self.node}
        for node in self.traced.graph.nodes:
            if after & set(node.all_input_nodes):
                after.add(node)
        if self.output not in after:
            return "on which the output does not depend"
        past = (self.behind & self.traced.following) - after
        past = {node for node in past if after & set(node.users)}
        if past:
            names = [_name(node) for node in self.traced.graph.nodes if node in past]
            return f"past which other values run ({', '.join(names)}): the rest needs both"
        sizes = {size for node in self.behind for size in node.all_input_nodes} - self.traced.tensors
        unknown = [size for size in sizes if not self._known(size)]
        return f"past which run values that only the images give ({unknown[0]})" if unknown else ""

    def head(self) -> fx.Graph:
        """The graph from the images to the node's output (N, *S)."""
        graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
        needed = self._needed(self.node, through_cut=True)
        for node in self.traced.graph.nodes:
            if node in needed:
                made[node] = graph.node_copy(node, made.__getitem__)
        graph.output(made[self.node])
        return graph

    def tail(self) -> fx.Graph:
        """The graph from the node's output (N, *S) to the outputs."""
        graph = fx.Graph()
        made = {self.node: graph.placeholder("latents")}

        def here(node: fx.Node) -> Argument:
            return made[node] if node in made else _anew(graph, made[self.node], plain(self.traced.values[node]))

        for node in self.traced.graph.nodes:
            if node in self.behind and node is not self.output:
                made[node] = graph.node_copy(node, here)
        graph.output(map_arg(self.output.args[0], here))
        return graph

    def _needed(self, last: fx.Node, *, through_cut: bool) -> set[fx.Node]:
        """The nodes that `last` is computed from, with itself; not the cut node and sizes, or through them too."""
        needed, waiting = set(), [last]
        while waiting:
            node = waiting.pop()
            if node not in needed and (through_cut or (node is not self.node and node in self.traced.tensors)):
                needed.add(node)
                waiting += node.all_input_nodes
        return needed

    def _known(self, size: fx.Node) -> bool:
        try:
            plain(self.traced.values[size])
        except ValueError:
            return False
        return True


def _name(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "the images"
    return str(node.target) if node.op == "call_module" else node.name


def _anew(graph: fx.Graph, latents: fx.Node, value: Any) -> Any:
    """The value of `plain` for the number of `latents`, as an argument of a node of `graph`."""
    if isinstance(value, tuple):
        return tuple(_anew(graph, latents, part) for part in value)
    if isinstance(value, torch.device):
        return graph.call_function(getattr, (latents, "device"))
    if not isinstance(value, Linear):
        return value
    if not value.slope:
        return value.constant
    count = graph.call_method("size", (latents, 0))
    return graph.call_function(
        operator.add, (graph.call_function(operator.mul, (count, value.slope)), value.constant)
    )
