"""Steps of stacked weights, each member with a rate and a decay of its own.

PyTorch's optimisers take one number for all that is in a tensor. For a single member they are used as they are;
for several, the same steps are made here with numbers by member:

    sgd     g ← g + λw;  u ← μu + g (u ← g at first);  w ← w - ηu                                              (1)
    adam    g ← g + λw;  m ← β₁m + (1 - β₁)g;  v ← β₂v + (1 - β₂)g²
            w ← w - η (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)                                                 (2)
    adamw   w ← w - ηλw, then (2) without λ                                                                    (3)

Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. The names in
their states are PyTorch's, so that one member's state can be taken out, and put in.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from framework.multitask.training.config import Optimizer

BETAS, EPSILON = (0.9, 0.999), 1e-8
RATES, DECAYS, FACTOR = "rates", "decays", "factor"

Tensors = list[Tensor] | tuple[Tensor, ...]


class _OwnGroups(torch.optim.Optimizer):
    """Takes, of a state, what the steps have gathered; rates and the like are its own."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the moments of another optimiser of the same kind, whichever members it was for."""
        super().load_state_dict({"state": state_dict["state"], "param_groups": self.state_dict()["param_groups"]})


class _SGD(_OwnGroups, torch.optim.SGD):
    pass


class _Adam(_OwnGroups, torch.optim.Adam):
    pass


class _AdamW(_OwnGroups, torch.optim.AdamW):
    pass


class Stacked(_OwnGroups):
    """Equations (1) to (3) on weights (K, …). A group has `rates` and `decays`, (K,) each."""

    def __init__(self, groups: Sequence[dict[str, Any]], kind: Optimizer, momentum: float) -> None:
        super().__init__(groups, {"lr": 0.0})
        self.kind, self.momentum = kind, momentum

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._move(weights, [weight.grad for weight in weights], group)

    def _move(self, weights: list[Tensor], gradients: Tensors, group: dict[str, Any]) -> None:
        rates, decays = ([_along(group[name], weight) for weight in weights] for name in (RATES, DECAYS))
        if self.kind == "adamw":
            torch._foreach_mul_(weights, [1 - rate * decay for rate, decay in zip(rates, decays, strict=True)])
        elif group["decaying"]:
            gradients = torch._foreach_add(gradients, torch._foreach_mul(decays, weights))
        steps = self._sgd(weights, gradients) if self.kind == "sgd" else self._adam(weights, gradients)
        torch._foreach_sub_(weights, torch._foreach_mul(rates, steps))

    def _sgd(self, weights: list[Tensor], gradients: Tensors) -> Tensors:
        if not self.momentum:
            return gradients
        for weight, gradient in zip(weights, gradients, strict=True):
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = gradient.clone()
            else:
                state["momentum_buffer"].mul_(self.momentum).add_(gradient)
        return [self.state[weight]["momentum_buffer"] for weight in weights]

    def _adam(self, weights: list[Tensor], gradients: Tensors) -> Tensors:
        first, second = BETAS
        for weight in weights:
            if not self.state[weight]:
                blank = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                self.state[weight] = {"step": torch.zeros(()), **blank}
        states = [self.state[weight] for weight in weights]
        for state in states:
            state["step"] += 1
        time = float(states[0]["step"])
        means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        scales = torch._foreach_div(torch._foreach_sqrt(squares), (1 - second**time) ** 0.5)
        torch._foreach_add_(scales, EPSILON)
        return torch._foreach_div(torch._foreach_div(means, scales), 1 - first**time)


def build_optimizer(
    weights: Sequence[Tensor], factors: Sequence[float], kind: Optimizer, momentum: float
) -> torch.optim.Optimizer:
    """An optimiser for stacked weights (K, …), a group for each factor of the rate; `set_rates` has to follow.

    `factors`: of each weight tensor, what its rate is multiplied by.
    """
    groups = [
        {"params": [w for w, own in zip(weights, factors, strict=True) if own == factor], FACTOR: factor}
        for factor in dict.fromkeys(factors)
    ]
    members = len(weights[0])
    if members > 1:
        blank = {RATES: torch.zeros(members), DECAYS: torch.zeros(members), "decaying": False}
        return Stacked([{**group, **blank} for group in groups], kind, momentum)
    if kind == "sgd":
        return _SGD(groups, lr=0.0, momentum=momentum)
    fused = all(weight.device.type == "cpu" for weight in weights)
    return (_AdamW if kind == "adamw" else _Adam)(groups, lr=0.0, fused=fused)


def set_rates(optimizer: torch.optim.Optimizer, rates_K: Tensor, decays_K: Tensor) -> None:
    """Set the rate and the decay of each member for the steps that follow."""
    for group in optimizer.param_groups:
        if isinstance(optimizer, Stacked):
            group[RATES], group[DECAYS] = rates_K * group[FACTOR], decays_K
            group["decaying"] = bool((decays_K != 0).any())
        else:
            group["lr"], group["weight_decay"] = float(rates_K[0]) * group[FACTOR], float(decays_K[0])


def _along(numbers_K: Tensor, weight: Tensor) -> Tensor:
    """Numbers by member, to be multiplied with a weight (K, …)."""
    return numbers_K.to(weight).view(-1, *[1] * (weight.ndim - 1))
