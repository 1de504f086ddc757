"""What fine-tuning changed: task vectors, by the names of parameters.

    τ_k = θ_k - θ_0                                                                                             (1)
    θ   = θ_0 + λ τ                                                                                             (2)

(Ilharco et al., "Editing models with task arithmetic", 2023, section 2.) Every tensor is one of the model's, by
name, so that a state reads like a vector over all parameters. A parameter that stands in two places of a module
is one entry.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

State = Mapping[str, Tensor]


def parameters_of(module: nn.Module) -> dict[str, Tensor]:
    """The floating-point parameters, each once: what merging is about. They are the module's own memory."""
    return {name: part.detach() for name, part in module.named_parameters() if part.is_floating_point()}


def task_vectors(base: State, states: Sequence[State]) -> list[dict[str, Tensor]]:
    """Equation (1) of each model, in the precision of `states`."""
    return [{name: tensor - base[name].to(tensor) for name, tensor in state.items()} for state in states]


def added(base: State, vector: State, scale: float) -> dict[str, Tensor]:
    """Equation (2)."""
    return {name: base[name].to(change) + scale * change for name, change in vector.items()}


def total(vectors: Sequence[State]) -> dict[str, Tensor]:
    """The sum of vectors."""
    return {name: torch.stack([vector[name] for vector in vectors]).sum(0) for name in vectors[0]}


def mean(states: Sequence[State]) -> dict[str, Tensor]:
    """The mean, taken from the first on, so that the mean of equal tensors is that tensor bit for bit."""
    found = {}
    for name, first in states[0].items():
        away = sum((state[name].to(first) - first for state in states[1:]), torch.zeros_like(first))
        found[name] = first + away / len(states)
    return found
