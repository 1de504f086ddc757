"""Fisher merging: each entry of the weights counts by how much a model's predictions depend on it.

    F_k = 1/S Σ_s E_{y ~ p_k(y | x_s)} (∂ log p_k(y | x_s) / ∂θ_k)²                                             (1)
    θ   = Σ_k F_k θ_k / Σ_k F_k                                                                                 (2)

all of it entry by entry (Matena and Raffel, "Merging models with Fisher-weighted averaging", 2022, section 2: the
diagonal of the Fisher information, and the mode of the product of the models' Laplace approximations). The
expectation is over the model's own predictions, so that no labels are needed; `classes=sampled` draws one class an
input in its place, which is unbiased and K times cheaper. With the labels that are given, (1) is the "empirical"
Fisher information, which is small wherever the model is right.

Where no model's information is above `floor`, (2) is the mean: F_k is no less than it.

Shapes: S inputs, B inputs at a time, K classes; F_k is by the names of parameters, each of that one's shape.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from framework.errors import InvalidInput, Problem
from framework.fusion.merging.vectors import State, parameters_of
from framework.models.batch import Inputs, axes, brief, call, called, chosen, count, refuse_other_classes, tensors
from framework.models.graph import in_eval_mode
from framework.seeds import torch_numbers

ROOM = 2**25  # bytes of gradients, one an input, at a time: more than caches hold is five times slower
MOST = 128  # inputs at a time

Classes = Literal["expected", "sampled", "given"]


def fisher_mean(states: Sequence[State], information: Sequence[State], floor: float) -> dict[str, Tensor]:
    """Equation (2), as a step from the first model, so that equal models give themselves."""
    merged = {}
    for name, first in states[0].items():
        weights = [one[name].to(first).clamp_min(floor) for one in information]
        pairs = zip(weights[1:], states[1:], strict=True)
        away = sum((weight * (state[name].to(first) - first) for weight, state in pairs), torch.zeros_like(first))
        merged[name] = first + away / sum(weights[1:], weights[0])
    return merged


def fisher_information(
    model: nn.Module, inputs: Inputs, labels: Tensor | None = None, *, classes: Classes = "expected", seed: int = 0
) -> dict[str, Tensor]:
    """Equation (1) over `inputs` (S, …), in eval mode.

    Args:
        model: Maps inputs to logits (S, K).
        inputs: S of what it takes, on the model's device, in its precision.
        labels: Classes (S,), for `classes="given"`.
        classes: What the expectation is over; see above.
        seed: Of the classes that are drawn.

    Raises:
        InvalidInput: the module gives no logits, labels are missing, or its gradients cannot be taken input by
            input.
    """
    parameters = parameters_of(model)
    largest = sum(tensor.numel() * tensor.element_size() for tensor in parameters.values())
    at_a_time = max(1, min(MOST, ROOM // max(1, largest)))
    generator = torch_numbers(seed)
    found = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    with in_eval_mode(model):
        for start in range(0, count(inputs), at_a_time):
            batch = chosen(inputs, slice(start, start + at_a_time))
            logits_BK = call(model, batch)
            _refuse_no_logits(model, logits_BK, batch)
            own = None if labels is None else labels[start : start + at_a_time]
            for class_B, weight_B in _weighted(logits_BK, own, classes, generator):
                squares = _squares(model, parameters, batch, class_B, weight_B)
                for name, sums in squares.items():
                    found[name] += sums
    return {name: tensor / count(inputs) for name, tensor in found.items()}


def _weighted(
    logits_BK: Tensor, labels_B: Tensor | None, classes: Classes, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Classes (B,), and how much the gradient of each counts, (B,)."""
    chances_BK = logits_BK.softmax(dim=1)
    ones_B = torch.ones_like(chances_BK[:, 0])
    if classes == "expected":
        every_K = torch.arange(logits_BK.shape[1], device=logits_BK.device)
        return [(which.expand(len(logits_BK)), chances_BK[:, which]) for which in every_K]
    if classes == "sampled":
        drawn_B = torch.multinomial(chances_BK.double().cpu(), 1, generator=generator)[:, 0]
        return [(drawn_B.to(logits_BK.device), ones_B)]
    if labels_B is None:
        raise InvalidInput([Problem("labels", "are needed for classes=given; give labels=…, or classes=expected")])
    refuse_other_classes(labels_B, logits_BK.shape[1])
    return [(labels_B.to(logits_BK.device), ones_B)]


def _squares(
    model: nn.Module, parameters: dict[str, Tensor], batch: Inputs, class_B: Tensor, weight_B: Tensor
) -> dict[str, Tensor]:
    """Σ_b weight_b (∂ log p(class_b | x_b) / ∂θ)², by name."""
    names = list(batch) if isinstance(batch, Mapping) else []
    counted = axes(batch)

    def log_probability(weights: dict[str, Tensor], which: Tensor, *parts: Tensor) -> Tensor:
        one = [part if axis is None else part[None] for part, axis in zip(parts, counted, strict=True)]
        arguments, words = called(dict(zip(names, one, strict=True)) if names else one)
        logits_1K: Tensor = functional_call(model, weights, arguments, words)
        return logits_1K.log_softmax(dim=1)[0].gather(0, which[None])[0]

    try:
        # Fused attention has no rule for gradients input by input, and torch warns of each call.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            slopes = vmap(grad(log_probability), in_dims=(None, 0, *counted))(parameters, class_B, *tensors(batch))
    except RuntimeError as error:
        message = f"its gradients cannot be taken input by input (torch.func.vmap): {brief(error)}"
        raise InvalidInput([Problem(type(model).__name__, message)]) from error
    return {name: torch.tensordot(weight_B, each.square(), dims=1) for name, each in slopes.items()}


def _refuse_no_logits(model: nn.Module, logits: object, batch: Inputs) -> None:
    number = count(batch)
    if isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == number:
        return
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    message = f"gives {shape} for {number} inputs; Fisher merging needs logits ({number}, K)"
    raise InvalidInput([Problem(type(model).__name__, message)])
