"""The precision in which models are matched and merged: their own, or single where their own is half.

Half precision has too few digits for sums over a layer, and not every operation on every device. What comes back
is in the precision, and on the device, of what was given.
"""

import copy
from typing import overload

import torch
from torch import nn

from framework.errors import InvalidInput, Problem
from framework.fusion.copies import holding
from framework.models.batch import Inputs, as_inputs, in_precision, tensors

HALF = (torch.float16, torch.bfloat16)


def working(module: nn.Module, like: nn.Module | None = None) -> nn.Module:
    """`module` itself, or a copy in single precision where any of its tensors is in half precision.

    With `like`, which is `working` itself, a copy in its precision and on its device where they differ.
    """
    held = [*module.parameters(), *module.buffers()]
    if any(tensor.dtype in HALF for tensor in held):
        module = copy.deepcopy(module).float()
    first, wanted = (next(of.parameters(), None) if of is not None else None for of in (module, like))
    if first is None or wanted is None or (first.dtype, first.device) == (wanted.dtype, wanted.device):
        return module
    return copy.deepcopy(module).to(wanted.device, wanted.dtype)


@overload
def inputs_for(module: nn.Module, inputs: Inputs) -> Inputs: ...
@overload
def inputs_for(module: nn.Module, inputs: Inputs | None) -> Inputs | None: ...
def inputs_for(module: nn.Module, inputs: Inputs | None) -> Inputs | None:
    """`inputs` on the device of `module`, and in its precision unless they are integers (tokens, masks).

    Raises:
        InvalidInput: they are no tensors, or hold NaN.
    """
    like = next(module.parameters(), None)
    if inputs is None:
        return None
    inputs = as_inputs(inputs)
    if like is None:
        return inputs
    if any(part.is_floating_point() and bool(part.isnan().any()) for part in tensors(inputs)):
        raise InvalidInput([Problem("inputs", "holds NaN, of which no activations can be had; leave these out")])
    return in_precision(inputs, like)


def as_given(given: nn.Module, made: nn.Module) -> nn.Module:
    """`made` in the precision of `given`, tensor by tensor."""
    return holding(given, made.state_dict())
