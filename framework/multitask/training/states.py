"""The state of one member out of that of several, and back.

Lightning's checkpoint of K members has, in a few places, tensors (K, …); a single one's has (1, …) there and is
equal otherwise. So a member that was trained among others goes on alone, and members that are equally far go on
together.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

BY_MEMBER = "by_member"
"""In the state of a callback: what has a row a member, as tensors (K, …) by name."""
WEIGHTS, OPTIMIZERS, CALLBACKS, BATCHES, LOOPS = "state_dict", "optimizer_states", "callbacks", "batches", "loops"


def of_member(state: dict[str, Any], member: int, members: int) -> dict[str, Any]:
    """The state of one of so many members."""
    found = {**state, CALLBACKS: {key: _callback(own, member, members) for key, own in state[CALLBACKS].items()}}
    if WEIGHTS in state:
        found[WEIGHTS] = {name: _slice(tensor, member) for name, tensor in state[WEIGHTS].items()}
        found[OPTIMIZERS] = [of_optimizer(own, member) for own in state[OPTIMIZERS]]
        found[LOOPS] = _with_loader(state, _of_loader(_loader(state), member, members))
    return found


def of_all(states: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The state of all members, of that of each; None where they are not equally far."""
    first = states[0]
    if any(_progress(state) != _progress(first) for state in states):
        return None
    if len(states) == 1:
        return first
    callbacks = {key: _callbacks([state[CALLBACKS][key] for state in states]) for key in first[CALLBACKS]}
    if WEIGHTS not in first:
        return {**first, CALLBACKS: callbacks}
    optimizers = [
        _optimizers([state[OPTIMIZERS][number] for state in states]) for number in range(len(first[OPTIMIZERS]))
    ]
    return {
        **first,
        CALLBACKS: callbacks,
        WEIGHTS: _joined([state[WEIGHTS] for state in states]),
        OPTIMIZERS: optimizers,
        LOOPS: _with_loader(first, _of_loaders([_loader(state) for state in states])),
    }


def _slice(tensor: Tensor, member: int) -> Tensor:
    return tensor[member : member + 1].clone() if tensor.ndim else tensor


def _joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.cat([part[name] for part in parts]) if tensor.ndim else tensor
        for name, tensor in parts[0].items()
    }


def of_optimizer(state: dict[str, Any], member: int) -> dict[str, Any]:
    """The state of the optimiser of one of several members."""
    own = {key: {name: _slice(t, member) for name, t in of.items()} for key, of in state["state"].items()}
    return {**state, "state": own}


def _optimizers(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = {key: _joined([state["state"][key] for state in states]) for key in states[0]["state"]}
    return {**states[0], "state": own}


def _callback(state: dict[str, Any], member: int, members: int) -> dict[str, Any]:
    found = dict(state)
    if BY_MEMBER in state:
        found[BY_MEMBER] = {name: _slice(tensor, member) for name, tensor in state[BY_MEMBER].items()}
    if BATCHES in state:
        found[BATCHES] = _of_loader(state[BATCHES], member, members)
    return found


def _callbacks(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = dict(states[0])
    if BY_MEMBER in found:
        found[BY_MEMBER] = _joined([state[BY_MEMBER] for state in states])
    if BATCHES in found:
        found[BATCHES] = _of_loaders([state[BATCHES] for state in states])
    return found


def _progress(state: dict[str, Any]) -> Any:
    """How far a state is; nothing for one that is over."""
    loops = state.get(LOOPS, {})
    return {key: value for key, value in loops.get("fit_loop", {}).items() if key != "state_dict"}


def _loader(state: dict[str, Any]) -> dict[str, Any]:
    """The state of the batches that Lightning keeps beside its loops; nothing where it keeps none."""
    found = state[LOOPS]["fit_loop"]["state_dict"].get("combined_loader", [])
    loader: dict[str, Any] = found[0] if found else {}
    return loader


def _with_loader(state: dict[str, Any], loader: dict[str, Any]) -> dict[str, Any]:
    fit_loop = state[LOOPS]["fit_loop"]
    if not loader:
        return dict(state[LOOPS])
    return {**state[LOOPS], "fit_loop": {**fit_loop, "state_dict": {"combined_loader": [loader]}}}


def _of_loader(state: dict[str, Any], member: int, members: int) -> dict[str, Any]:
    """The generators of one member, which stand side by side."""
    if not state:
        return {}
    each = len(state["generators"]) // members
    return {**state, "generators": state["generators"][member * each : (member + 1) * each]}


def _of_loaders(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not states[0]:
        return {}
    return {**states[0], "generators": [one for state in states for one in state["generators"]]}
