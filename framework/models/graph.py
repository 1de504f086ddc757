"""A module as a graph of calls in which every hidden layer has its node.

The tracer of `torch.fx` (Reed et al., "torch.fx: practical program capture and transformation for deep learning
in Python", 2022) goes into every module that has modules of its own and is not torch's, and notes which node holds
the output of which module. A module inside that cannot be traced, because what it does depends on values, is taken
whole.

What runs between tensors, sizes above all, are plain values. The graph is run on batches of three lengths, from
which an integer is known as a function of the number of images N:

    value(N) = constant + slope N                                                                               (1)

Where a graph is to hold every use of a parameter (`deep`), the tracer also goes into layers whose `forward` is not
torch's own: a subclass of a layer of torch may do something else.

Knows no model of the project and nothing of stitching.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.models.batch import Inputs, brief, called, names_of, running, tensors

LENGTHS = (2, 3, 5)  # images; two determine equation (1), the third checks it


@dataclass(frozen=True)
class Linear:
    """Equation (1)."""

    constant: int
    slope: int


@dataclass
class Traced:
    """A module's graph in eval mode.

    Attributes:
        graph: The calls of one forward pass, in order.
        outputs: The node that holds the output of a module, by its name; only of modules that run exactly once.
        values: Of each node what it gave for batches of `LENGTHS` images: a tensor's shape, None for several
            tensors, or a plain value.
        tensors: The nodes whose value is a tensor, or holds some.
        following: Those of them that depend on the images' pixels, the images first.
    """

    graph: fx.Graph
    outputs: dict[str, fx.Node]
    values: dict[fx.Node, list[Any]] = field(default_factory=dict)
    tensors: set[fx.Node] = field(default_factory=set)
    following: set[fx.Node] = field(default_factory=set)


def trace(module: nn.Module, input_shape: tuple[int, ...], lengths: Sequence[int] = LENGTHS) -> Traced:
    """The graph of `module`, which takes images (N, *input_shape); it is run on batches of `lengths` images.

    `plain` needs the values for all `LENGTHS`; where shapes will do, one length does.

    Raises:
        InvalidInput: what `module` itself does, outside the modules in it, cannot be traced; or it does not run on
            images of this shape.
    """
    like = next(module.parameters(), torch.empty(0))
    images = [like.new_zeros(length, *input_shape) for length in lengths]
    with in_eval_mode(module):
        traced = _trace(module, images[0], deep=False)
    record(module, traced, images, f"images of shape {input_shape}")
    return traced


def outline(module: nn.Module, inputs: Inputs) -> Traced:
    """The graph of `module`, run on whatever it takes; layers in it are taken whole.

    Raises:
        InvalidInput: as `trace`.
    """
    with in_eval_mode(module):
        traced = _trace(module, inputs, deep=False)
    record(module, traced, [inputs])
    return traced


def symbolic(module: nn.Module, inputs: Inputs, leaves: Collection[str] = ()) -> Traced:
    """The graph of `module`, every use of a parameter in it; nothing is run. It takes what `inputs` holds, in
    their order; what else `forward` takes keeps its default. Classes that `leaves` names are taken whole, as
    torch's are.

    Raises:
        InvalidInput: what `module` itself does, outside the modules in it, cannot be traced.
    """
    with in_eval_mode(module):
        return _trace(module, inputs, deep=True, leaves=leaves)


def record(module: nn.Module, traced: Traced, batches: Sequence[Inputs], what: str = "") -> None:
    """Run the graph on `batches` and note in `traced` what each node gave.

    Raises:
        InvalidInput: it does not run on them.
    """
    with in_eval_mode(module):
        for batch in batches:
            with running(module, batch, what):
                _Recorder(module, traced).run(*tensors(batch))
    for node in traced.graph.nodes:
        if node in traced.tensors and (node.op == "placeholder" or traced.following & set(node.all_input_nodes)):
            traced.following.add(node)


def plain(values: list[Any]) -> Any:
    """What a plain value is for any number of images, from its values for `LENGTHS`: `Linear` for integers.

    Raises:
        ValueError: it follows no equation (1), or differs in another way.
    """
    first = values[0]
    if isinstance(first, tuple | list):
        return tuple(plain(list(parts)) for parts in zip(*values, strict=True))
    if isinstance(first, int) and not isinstance(first, bool):
        slope = values[1] - values[0]
        linear = Linear(first - LENGTHS[0] * slope, slope)
        if values[2] == linear.constant + LENGTHS[2] * slope:
            return linear
    elif all(value == first for value in values):
        return first
    raise ValueError(f"{values} for batches of {LENGTHS} images")


def forward_of(module: nn.Module) -> type:
    """The class whose `forward` a module runs. A subclass without one of its own means what that class means."""
    return next(kind for kind in type(module).__mro__ if "forward" in vars(kind))


def is_torchs(module: nn.Module) -> bool:
    """Whether what a module does is what torch says of its class."""
    return forward_of(module).__module__.startswith(("torch.nn.", "torch.ao.")) and "forward" not in vars(module)


def _trace(module: nn.Module, inputs: Inputs, *, deep: bool, leaves: Collection[str] = ()) -> Traced:
    _refuse_arguments(module, inputs)
    whole: set[str] = set()
    while True:
        tracer = _Tracer(whole, inputs, leaves, deep=deep)
        try:
            graph = tracer.trace(module)
        except Exception as error:
            blamed = tracer.inside[-1] if tracer.inside else ""
            if not blamed or blamed in whole:
                name = f"{type(module).__name__} {blamed}".strip()
                message = (
                    f"cannot be traced: {brief(error)}. Only the modules inside it may depend on values of tensors"
                )
                raise InvalidInput([Problem(name, message)]) from error
            whole.add(blamed)
        else:
            return Traced(graph, {name: node for name, node in tracer.outputs.items() if node is not None})


def _refuse_arguments(module: nn.Module, inputs: Inputs) -> None:
    """Refuse inputs that `forward` cannot be called with: too few, too many, or by other names."""
    arguments, words = called(inputs)
    signature = inspect.signature(type(module).forward)
    try:
        signature.bind(module, *arguments, **words)
    except TypeError as error:
        taken = ", ".join(str(parameter) for parameter in [*signature.parameters.values()][1:])
        message = (
            f"takes ({taken}): {error}. Give all of its inputs, in a tuple in this order or by name in a dict"
        )
        raise InvalidInput([Problem(type(module).__name__, message)]) from error


class _Tracer(fx.Tracer):
    def __init__(self, whole: set[str], inputs: Inputs, leaves: Collection[str], *, deep: bool) -> None:
        super().__init__()
        self.whole, self.inputs, self.leaves, self.deep = whole, inputs, leaves, deep
        self.inside: list[str] = []
        self.outputs: dict[str, fx.Node | None] = {}

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        root: Any = self.root
        names = names_of(root, self.inputs)
        values = [self.create_proxy("placeholder", name, (), {}) for name in names]

        def forward(module: nn.Module, *given: Any) -> Any:
            if isinstance(self.inputs, Mapping):
                return root_fn(module, **dict(zip(names, given, strict=True)))
            return root_fn(module, *given)

        return forward, [root, *values]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if self.deep and module_qualified_name not in self.whole:
            return forward_of(m).__name__ in self.leaves or (is_torchs(m) and not isinstance(m, nn.Sequential))
        childless = next(m.children(), None) is None
        return childless or module_qualified_name in self.whole or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        name = self.path_of_module(m)
        self.inside.append(name)
        output = super().call_module(m, forward, args, kwargs)
        self.inside.pop()  # not where tracing fails: the innermost module is the one to take whole
        once = isinstance(output, fx.Proxy) and name not in self.outputs
        self.outputs[name] = output.node if once else None
        return output


class _Recorder(fx.Interpreter):
    """Runs a graph and notes the values of its nodes; of tensors the shape."""

    def __init__(self, module: nn.Module, traced: Traced) -> None:
        super().__init__(module, graph=traced.graph)
        self.traced = traced

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        kept = value
        if _holds_tensor(value):
            self.traced.tensors.add(n)
            kept = tuple(value.shape) if isinstance(value, Tensor) else None
        self.traced.values.setdefault(n, []).append(kept)
        return value


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        value = tuple(value.values())
    return isinstance(value, Tensor) or (isinstance(value, tuple | list) and any(map(_holds_tensor, value)))


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; each module in it gets back the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
