"""Two networks that are one up to a layer, and go on each for itself from there.

    z = shared(x),    logits = [tail_a(U_a z), tail_b(U_b z)]                                                   (1)

with U_a and U_b of `zipping.py`: every unit of a network gets the activation of the group that it is in. A value
that runs from the shared part into the tails, and holds units along an axis, is put in each tail's order along it;
what holds none (the images, sizes) is passed on.

Shapes: n units of a basis, V indices of an axis.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.fusion.bases import Basis
from framework.fusion.flow import walk
from framework.fusion.plans import State
from framework.fusion.rules import described
from framework.fusion.units import Ints
from framework.fusion.walk import Walk
from framework.models.batch import Inputs
from framework.models.graph import Traced, outline

MEETING = (
    nn.MultiheadAttention, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.Softmax, nn.LogSoftmax,
    nn.GLU, nn.Bilinear, nn.modules.rnn.RNNBase,
)  # fmt: skip
MEETING_FUNCTIONS = (
    *(
        "softmax",
        "log_softmax",
        "matmul",
        "bmm",
        "baddbmm",
        "einsum",
        "scaled_dot_product_attention",
        "layer_norm",
    ),
    *("rms_norm", "group_norm", "normalize", "glu", "bilinear", "multi_head_attention_forward"),
)
"""Layers and functions in which units of a layer meet one another: a merged unit cannot take the part of both."""


@dataclass(frozen=True)
class Cut:
    """Where the shared part of a graph ends: `nodes` are in it, `rest` behind it."""

    traced: Traced
    nodes: tuple[fx.Node, ...]
    rest: tuple[fx.Node, ...]

    @classmethod
    def of(cls, module: nn.Module, inputs: Inputs, until: str | None) -> "Cut":
        """Behind the last call of the layer `until`, or of a layer in it; behind all if it is None.

        `inputs` are a few of what the module takes.

        Raises:
            InvalidInput: there is no such layer, none with parameters behind it, or units meet before it.
        """
        traced = outline(module, inputs)
        nodes = list(traced.graph.nodes)
        called = [str(node.target) if node.op == "call_module" else "" for node in nodes]
        last = [
            number for number, name in enumerate(called) if until in (None, name) or name.startswith(f"{until}.")
        ]
        if not last:
            raise InvalidInput(
                [Problem("until", f"is {until!r}; {nearest(str(until), list(filter(None, called)))}")]
            )
        number = len(nodes) if until is None else last[-1] + 1
        cut = cls(traced, tuple(nodes[:number]), tuple(nodes[number:]))
        if until is not None and not cut._owns(module, cut.rest):
            message = f"is {until!r}, with no parameters behind it: zip a layer less, or leave `until` out"
            raise InvalidInput([Problem("until", message)])
        cut._refuse_meetings(module)
        return cut

    @property
    def names(self) -> set[str]:
        """Of the nodes in the shared part."""
        return {node.name for node in self.nodes}

    @property
    def crossing(self) -> list[fx.Node]:
        """The nodes in the shared part that the rest looks at."""
        return [node for node in self.nodes if any(user in self.rest for user in node.users)]

    def owned(self, state: State) -> list[str]:
        """The parameters and buffers in `state` that the shared part uses."""
        targets = [str(node.target) for node in self.nodes if node.op in ("call_module", "get_attr")]
        return [name for name in state if any(f"{name}.".startswith(f"{target}.") for target in targets)]

    def graph(self, nodes: Iterable[fx.Node], given: Iterable[fx.Node]) -> fx.Graph:
        """Copies of `nodes`; what is `given` are the arguments."""
        made = fx.Graph()
        copied = {node: made.placeholder(node.name) for node in given}
        for node in nodes:
            copied[node] = made.node_copy(node, copied.__getitem__)
        if not any(node.op == "output" for node in made.nodes):
            made.output(tuple(copied[node] for node in self.crossing))
        return made

    def _owns(self, module: nn.Module, nodes: Iterable[fx.Node]) -> bool:
        called = [module.get_submodule(str(node.target)) for node in nodes if node.op == "call_module"]
        return any(next(part.parameters(), None) is not None for part in called)

    def _refuse_meetings(self, module: nn.Module) -> None:
        problems = []
        for node in self.nodes:
            if node.op == "call_module":
                meets = isinstance(module.get_submodule(str(node.target)), MEETING)
            else:
                meets = str(getattr(node.target, "__name__", node.target)).strip("_") in MEETING_FUNCTIONS
            if meets:
                message = (
                    f"{described(node, module)} lets the units of a layer meet one another, which zipping does "
                )
                message += "not hold for; zip `until` a layer before it"
                problems.append(Problem(f"node {node.name}", message))
        if problems:
            raise InvalidInput(problems, type(module).__name__)


class Zipped(nn.Module):
    """Equation (1): one classifier over the classes of both networks, (N, C_a + C_b)."""

    def __init__(
        self,
        cut: Cut,
        merged: nn.Module,
        modules: Sequence[nn.Module],
        bases: Sequence[Basis],
        groups: Mapping[str, Tensor],
    ) -> None:
        super().__init__()
        self.shared = fx.GraphModule(merged, cut.graph(cut.nodes, ()))
        tail = cut.graph(cut.rest, cut.crossing)
        self.tails = nn.ModuleList(fx.GraphModule(copy.deepcopy(module), tail) for module in modules)
        found = walk(modules[0], cut.traced)
        self.dims: list[int | None] = []
        device = next(merged.parameters()).device
        for place, node in enumerate(cut.crossing):
            self.dims.append(_dim(found, node, cut.traced))
            for number in range(len(modules)):
                order = _order(found, node, bases, groups, number) if self.dims[-1] is not None else torch.empty(0)
                self.register_buffer(f"order_{number}_{place}", order.to(device))
        self.train(merged.training)

    def heads(self, *inputs: Tensor, **named: Tensor) -> tuple[Tensor, ...]:
        """The logits of each network's classes, (N, C_a) and (N, C_b), for what the networks take."""
        values = self.shared(*inputs, **named)
        return tuple(tail(*self._unmerged(values, number)) for number, tail in enumerate(self.tails))

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """The logits of both, side by side, (N, C_a + C_b)."""
        return torch.cat(self.heads(*inputs, **named), dim=1)

    def _unmerged(self, values: Sequence[Tensor], number: int) -> list[Tensor]:
        orders = [self.get_buffer(f"order_{number}_{place}") for place in range(len(values))]
        pairs = zip(values, self.dims, orders, strict=True)
        return [value if dim is None else value.index_select(dim, order) for value, dim, order in pairs]


def _dim(found: Walk, node: fx.Node, traced: Traced) -> int | None:
    """Along which axis of a value there are units; None where there are none."""
    if node in found.channels:
        return found.channels[node][0]
    if node.op == "placeholder" or node not in traced.tensors:
        return None
    message = "is where the networks would part, and it cannot be told which axis its units are on; zip until "
    raise InvalidInput([Problem(f"node {node.name}", message + "another layer")])


def _order(
    found: Walk, node: fx.Node, bases: Sequence[Basis], groups: Mapping[str, Tensor], number: int
) -> Tensor:
    """Of each index of the axis, (V,), the index of the group that its unit of network `number` is in."""
    class_of = found.units.classes()
    along_V = class_of[found.channels[node][1]]
    order = torch.arange(len(along_V))
    for basis in bases:
        positions = _positions(along_V, _classes(found, class_of, basis))
        if positions is not None:
            order[positions] = positions[groups[basis.name][number * basis.size :][: basis.size]]
    return order


def _classes(found: Walk, class_of: Ints, basis: Basis) -> Ints:
    """What each unit of a basis is among the units of the walk, (n,)."""
    place = basis.places[0]
    units = next(slot.units for slot in found.slots if (slot.name, slot.axis) == (place.name, place.axis))
    classes: Ints = class_of[units][place.positions[:, 0].numpy()]
    return classes


def _positions(along_V: Ints, units_n: Ints) -> Tensor | None:
    """The positions of each unit on an axis, (n, K); None if they are not on it."""
    places = [torch.from_numpy((along_V == unit).nonzero()[0]) for unit in units_n]
    return torch.stack(places) if len(places[0]) else None
