"""Modules that hold other tensors than the module that they are copies of."""

import copy

import torch
from torch import Tensor, nn

from framework.fusion.plans import State


def holding(module: nn.Module, state: State, *borrowed: State) -> nn.Module:
    """A copy of `module` with the tensors of `state`, which it takes as they are: its own are not copied first.

    A tensor that is one of `borrowed`, the states of models that are still in use, is copied: what is done to the
    copy of the module would be done to them.
    """
    mine = dict(module.named_parameters(remove_duplicate=False)) | dict(
        module.named_buffers(remove_duplicate=False)
    )
    if any(name not in mine or mine[name].shape != tensor.shape for name, tensor in state.items()):
        made = copy.deepcopy(module)  # state that is more than tensors, or that does not fit: told by torch
        made.load_state_dict(state)
        return made
    memo: dict[int, object] = {}
    for name, tensor in state.items():
        memo[id(mine[name])] = _like(mine[name], tensor, shared=any(tensor is of.get(name) for of in borrowed))
    return copy.deepcopy(module, memo)


def _like(old: Tensor, new: Tensor, *, shared: bool) -> Tensor:
    """`new` as `old` is: a parameter or not, its dtype, its device, its order in memory."""
    held = new.detach().to(device=old.device, dtype=old.dtype, copy=shared)
    if held.stride() != old.stride():  # channels last, which is slow to lose
        held = torch.empty_like(old, requires_grad=False).copy_(held)
    return type(old)(held, old.requires_grad) if isinstance(old, nn.Parameter) else held
