"""The precision in which models are matched and merged: their own, or single where their own is half.

Half precision has too few digits for sums over a layer, and not every operation on every device. What comes back
is in the precision, and on the device, of what was given.
"""

import copy

import torch
from torch import nn

from framework.fusion.copies import holding
from framework.models.batch import Inputs, in_precision, refuse_inputs

HALF = (torch.float16, torch.bfloat16)


def working(module: nn.Module) -> nn.Module:
    """`module` itself, or a copy in single precision where any of its tensors is in half precision."""
    tensors = [*module.parameters(), *module.buffers()]
    if not any(tensor.dtype in HALF for tensor in tensors):
        return module
    return copy.deepcopy(module).float()


def inputs_for(module: nn.Module, inputs: Inputs | None) -> Inputs | None:
    """`inputs` on the device of `module`, and in its precision unless they are integers (tokens, masks).

    Raises:
        InvalidInput: they are no tensors.
    """
    like = next(module.parameters(), None)
    if inputs is None or like is None:
        return inputs
    refuse_inputs(inputs)
    return in_precision(inputs, like)


def as_given(given: nn.Module, made: nn.Module) -> nn.Module:
    """`made` in the precision of `given`, tensor by tensor."""
    return holding(given, made.state_dict())
