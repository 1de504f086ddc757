"""A module with the bases of its hidden units: what every alignment starts from."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis, Shape, derive, refuse_sharing
from framework.fusion.layer_rules import NAMED
from framework.fusion.refusals import refuse_untraceable
from framework.fusion.rules import refuse_layers
from framework.fusion.symmetry import check
from framework.models.batch import Inputs, as_inputs, chosen, in_precision, made_up, mapped, tensors
from framework.models.graph import is_torchs, record, symbolic

SIDES = (32, 28, 64, 224, 8, 96, 128, 256, 299)
PROBES = 2  # inputs on which a module is traced and tested


@dataclass(frozen=True)
class Structure:
    """What models of one architecture and one set of widths share.

    Attributes:
        bases: In the order in which the graph writes them.
        graph: One forward pass.
        probe: The few inputs on which it was traced.
        pinned: Layers whose units stay where they are, as they meet something with an order of its own: the inputs
            (by a sum), constants, positions.
    """

    bases: tuple[Basis, ...]
    graph: fx.Graph
    probe: Inputs
    pinned: tuple[str, ...] = ()

    @property
    def input_shape(self) -> Shape:
        """Of one input, without N; of several tensors that of the first."""
        return tuple(tensors(self.probe)[0].shape[1:])


def structure_of(module: nn.Module, inputs: Inputs | None = None, *, fix_outputs: bool = True) -> Structure:
    """The structure of `module`, put to the test on a random permutation.

    It is traced and tested on the first of `inputs`, which are whatever it takes (`framework.models.batch`). Where
    there are none, images are made up, in its own `input_shape`; where that is missing too, in that of the first
    layer with parameters, with the first usual side of an image on which the module runs.

    Raises:
        InvalidInput: a wrapper, computed weights, layers without a rule; the module cannot be traced, or as
            `derive` and `check`; or nothing is known of its inputs.
    """
    refuse_untraceable(module)
    refuse_sharing(module)
    probe = probe_of(module, inputs)
    traced = symbolic(module, probe, NAMED)
    refuse_layers(module, traced.graph)
    record(module, traced, [probe])
    bases, pinned = derive(module, traced, fix_outputs=fix_outputs)
    check(module, bases if fix_outputs else derive(module, traced)[0], traced, probe)
    return Structure(bases, traced.graph, probe, pinned)


def probe_of(module: nn.Module, inputs: Inputs | None) -> Inputs:
    """What `module` is traced and tested on: the first of `inputs`, or images that are made up.

    Floating inputs that hold one number alone (zeros, to tell a shape) are replaced by noise: with equal numbers
    every order of the units looks right.

    Raises:
        InvalidInput: `inputs` are none, or nothing is known of them.
    """
    like = next(module.parameters(), torch.empty(0))
    if inputs is None:
        return made_up(_guessed_shape(module), PROBES, like)
    return mapped(in_precision(chosen(as_inputs(inputs), slice(PROBES)), like), _telling)


def _telling(part: Tensor) -> Tensor:
    if part.is_floating_point() and part.numel() > 1 and bool(part.min() == part.max()):
        return made_up(part.shape[1:], len(part), part)
    return part


def _guessed_shape(module: nn.Module) -> Shape:
    own = getattr(module, "input_shape", None)
    if own is not None:
        return tuple(own)
    # A class token or positions may be the module's own: what tells its inputs is its first layer.
    first = next(
        (part for part in module.modules() if part._parameters and (part is not module or is_torchs(part))), None
    )
    shapes: list[Shape] = []
    if isinstance(first, nn.Linear):
        shapes = [(first.in_features,)]
    elif isinstance(first, nn.Conv2d):
        shapes = [(first.in_channels, side, side) for side in SIDES]
    for shape in shapes:
        if len(shapes) == 1 or _runs(module, shape):
            return shape
    kind = "" if first is None else f" (its first layer with parameters is a {type(first).__name__})"
    message = f"a batch of inputs is needed to know what the module takes{kind}; give inputs=…"
    raise InvalidInput([Problem("inputs", message)])


def _runs(module: nn.Module, shape: Shape) -> bool:
    like = next(module.parameters())
    training = module.training
    try:
        with torch.no_grad():
            module.eval()(like.new_zeros(1, *shape))
    except (RuntimeError, ValueError, AssertionError):
        return False
    finally:
        module.train(training)
    return True
