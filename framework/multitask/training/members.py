"""Networks of one shape, side by side: their weights stacked, their outputs found in one go.

A member is one network. K of them hold each weight as one tensor (K, …). What a member gives depends on its own
slice alone, so that training all of them is training each.

Shapes: K members, B samples, I inputs, D outputs.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


class Members(nn.Module):
    """K networks of one shape; with one alone nothing is mapped over."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        stacked, buffers = stack_module_state(list(networks))
        if buffers:
            raise TypeError(f"networks with buffers cannot be stacked: {', '.join(buffers)}")
        self.names = tuple(stacked)
        self.weights = nn.ParameterList(nn.Parameter(weight.detach()) for weight in stacked.values())
        # Kept out of the submodules: it says how a network computes, and has no weights that learn.
        self._form = [copy.deepcopy(networks[0]).to("meta")]

    @property
    def count(self) -> int:
        """K."""
        return len(self.weights[0])

    def forward(self, x_KBI: Tensor) -> Tensor:
        """The outputs (K, B, D)."""
        return self.of(list(self.weights), x_KBI)

    def of(self, weights: Sequence[Tensor], x_KBI: Tensor) -> Tensor:
        """The outputs with these weights (K, …) in place of its own."""
        if self.count == 1:
            own = {name: weight.view(weight.shape[1:]) for name, weight in zip(self.names, weights, strict=True)}
            output: Tensor = functional_call(self._form[0], own, (x_KBI[0],))
            return output[None]
        mapped: Tensor = vmap(self._one)(dict(zip(self.names, weights, strict=True)), x_KBI)
        return mapped

    def _one(self, weights: Mapping[str, Tensor], x_BI: Tensor) -> Tensor:
        output: Tensor = functional_call(self._form[0], dict(weights), (x_BI,))
        return output

    def state_of(self, member: int) -> dict[str, Tensor]:
        """The weights of one member by name, copies on the CPU."""
        return {
            name: weight[member].detach().cpu().clone()
            for name, weight in zip(self.names, self.weights, strict=True)
        }


def inner_products(gradients: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """The inner product of two gradients of stacked weights (K, …), member by member: (K,)."""
    products = [
        torch.stack(list(map(torch.dot, one.flatten(1), other.flatten(1))))
        for one, other in zip(gradients, others, strict=True)
    ]
    return torch.stack(products).sum(dim=0)
