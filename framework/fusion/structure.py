"""A module with the bases of its hidden units: what every alignment starts from."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis, Shape, derive
from framework.fusion.symmetry import check
from framework.models.graph import LENGTHS, trace

SIDES = (32, 28, 64, 224, 8, 96, 128, 256, 299)


@dataclass(frozen=True)
class Structure:
    """What models of one architecture and one set of widths share.

    Attributes:
        bases: In the order in which the graph writes them.
        graph: One forward pass.
        input_shape: Of one input, without N.
    """

    bases: tuple[Basis, ...]
    graph: fx.Graph
    input_shape: Shape


def structure_of(module: nn.Module, inputs: Tensor | None = None, *, fix_outputs: bool = True) -> Structure:
    """The structure of `module`, put to the test on a random permutation.

    The shape of its inputs is that of `inputs` (N, …), or its own `input_shape`; where both are missing it is that
    of the first layer with parameters, with the first usual side of an image on which the module runs.

    Raises:
        InvalidInput: the module cannot be traced, or as `derive` and `check`; or no shape of inputs is known.
    """
    shape = _input_shape(module, inputs)
    traced = trace(module, shape, LENGTHS[:1])
    bases = derive(module, traced, fix_outputs=fix_outputs)
    check(module, bases if fix_outputs else derive(module, traced), shape)
    return Structure(bases, traced.graph, shape)


def _input_shape(module: nn.Module, inputs: Tensor | None) -> Shape:
    if inputs is not None:
        return tuple(inputs.shape[1:])
    own = getattr(module, "input_shape", None)
    if own is not None:
        return tuple(own)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            return (part.in_features,)
        if isinstance(part, nn.Conv2d):
            for side in SIDES:
                if _runs(module, (part.in_channels, side, side)):
                    return (part.in_channels, side, side)
            break
    raise InvalidInput([Problem("inputs", "a batch of inputs is needed to know their shape; give inputs=…")])


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
