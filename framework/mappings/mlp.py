"""The perceptron: z → MLP(z), D → H → H → E with GELU, between standardised latents.

It is trained on the mean squared error, with λ as Adam's weight decay, stopped early, and has the weights that
were best on held-out samples (`mlp_training.py`). N samples mean N: a fifth of them is what is held out. (The
original [1] stopped on 1,000 further pairs, so that its 10 samples were 1,010.) Dropout acts in training only;
the mapping has none.

[1] latent-communication. Technical University of Munich, 2024. github.com/kaieberl/latent-communication.

Shapes: N samples, D source dimensions, E target dimensions, H hidden neurons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from framework.errors import ArtifactError, Problem
from framework.mappings.base import Mapping, Method, Numbers, Pair
from framework.mappings.latents import Array
from framework.mappings.mlp_recipe import Cell, Recipe, Trained
from framework.mappings.mlp_training import train
from framework.mappings.offsets import less, plus


class MLPMapping(Mapping):
    """z → scale · (W3 gelu(W2 gelu(W1 x + b1) + b2) + b3) + mean, of the standardised z, x."""

    kind = "mlp"
    input_mean: Tensor
    input_scale: Tensor
    weight_1: Tensor
    bias_1: Tensor
    weight_2: Tensor
    bias_2: Tensor
    weight_3: Tensor
    bias_3: Tensor
    output_mean: Tensor
    output_scale: Tensor

    def __init__(self, source_dim: int, target_dim: int, hidden: int = 0) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("input_mean", torch.zeros(2, source_dim))
        self.register_buffer("input_scale", torch.ones(source_dim))
        sizes = (source_dim, hidden, hidden, target_dim)
        for layer, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            self.register_buffer(f"weight_{layer}", torch.zeros(outputs, inputs))
            self.register_buffer(f"bias_{layer}", torch.zeros(outputs))
        self.register_buffer("output_mean", torch.zeros(2, target_dim))
        self.register_buffer("output_scale", torch.ones(target_dim))

    @classmethod
    def of(cls, trained: Trained) -> Self:
        """The mapping that was trained."""
        w1, b1, w2, b2, w3, b3 = trained.parameters
        scaling = trained.scaling
        mapping = cls(len(w1), w3.shape[1], len(w2))
        return mapping.filled(
            {
                "input_mean": scaling.input_mean,
                "input_scale": scaling.input_scale,
                "weight_1": w1.T,
                "bias_1": b1[0],
                "weight_2": w2.T,
                "bias_2": b2[0],
                "weight_3": w3.T,
                "bias_3": b3[0],
                "output_mean": scaling.target_mean,
                "output_scale": scaling.target_scale,
            }
        )

    @classmethod
    def from_numbers(cls, numbers: Numbers, source_dim: int, target_dim: int) -> Self:
        """The mapping with these saved numbers; `bias_1` tells how many hidden neurons there are.

        Raises:
            ArtifactError: the numbers are not those of such a mapping.
        """
        if "bias_1" not in numbers:
            raise ArtifactError(f"not the numbers of the mapping {cls.kind!r}: bias_1 is missing")
        return cls(source_dim, target_dim, len(numbers["bias_1"])).filled(numbers)

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """The image of each row, (N, E)."""
        layers = [(self.weight_1, self.bias_1), (self.weight_2, self.bias_2), (self.weight_3, self.bias_3)]
        (w1, b1), (w2, b2), (w3, b3) = ([part.to(z_source_ND.dtype) for part in layer] for layer in layers)
        x_ND = less(z_source_ND, self.input_mean) / self.input_scale
        first_NH = nn.functional.gelu(nn.functional.linear(x_ND, w1, b1))
        second_NH = nn.functional.gelu(nn.functional.linear(first_NH, w2, b2))
        return plus(nn.functional.linear(second_NH, w3, b3) * self.output_scale, self.output_mean)


@dataclass(frozen=True, kw_only=True)
class MLP(Recipe, Method):
    """`MLP(ridge=0.1, hidden=128).fit(z_source, z_target)`. `ridge` is λ, Adam's weight decay.

    Options: those of `Recipe`. `fit_grid` trains the cells of all pairs and ridges together, which is many times
    faster than one by one and gives the same mappings.

    Raises:
        TrainingDiverged: from every `fit`, where no epoch had a finite held-out error.
    """

    mapping = MLPMapping

    def _option_problems(self) -> list[Problem]:
        return self.problems()

    def _fit_pair(self, z_ND: Array, y_NE: Array, ridges: Sequence[float]) -> list[Mapping]:
        return self._fit_pairs([(z_ND, y_NE)], ridges)[0]

    def _fit_pairs(self, pairs: Sequence[Pair], ridges: Sequence[float]) -> list[list[Mapping]]:
        trained = train([Cell(z_ND, y_NE, ridge) for z_ND, y_NE in pairs for ridge in ridges], self)
        found = iter(MLPMapping.of(cell) for cell in trained)
        return [[next(found) for _ in ridges] for _ in pairs]
