"""How a perceptron between latent spaces is trained: its recipe, what goes in and what comes out.

Shapes: N samples, D source dimensions, E target dimensions, H hidden neurons.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.errors import Problem
from framework.mappings.latents import Array, rounding_of
from framework.seeds import SEEDS, is_seed, unsigned
from framework.values import is_number

FEWEST_TO_SPLIT = 5
WEIGHTS, SPLIT, DROPOUT = 0, 1, 2  # streams of random numbers of one seed

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a perceptron is built and trained; `framework.mappings.config` tells what each field means."""

    hidden: int = 128
    dropout: float = 0.1
    learning_rate: float = 4e-3
    epochs: int = 100
    patience: int = 10
    min_epochs: int = 5
    val_fraction: float = 0.2
    seed: int = 0

    def problems(self) -> list[Problem]:
        """Values that cannot be used."""
        counts = {name: getattr(self, name) for name in ("hidden", "epochs", "patience", "min_epochs")}
        found = [
            Problem(name, f"is {value!r}; allowed: whole numbers, 1 or more")
            for name, value in counts.items()
            if not (is_number(value, whole=True) and value >= 1)
        ]
        if not is_seed(self.seed):
            found.append(Problem("seed", f"is {self.seed!r}; allowed: {SEEDS}"))
        if not (is_number(self.dropout) and 0 <= self.dropout < 1):
            found.append(Problem("dropout", f"is {self.dropout!r}; allowed: from 0 to below 1"))
        if not (is_number(self.learning_rate) and self.learning_rate > 0):
            found.append(Problem("learning_rate", f"is {self.learning_rate!r}; allowed: finite numbers above 0"))
        if not (is_number(self.val_fraction) and 0 < self.val_fraction < 1):
            found.append(Problem("val_fraction", f"is {self.val_fraction!r}; allowed: between 0 and 1"))
        return found

    def split(self, num_samples: int) -> tuple[Positions, Positions]:
        """Positions of the samples to train on and of those held out; of fewer than five, all of them for both."""
        order_N = random_numbers(self.seed, SPLIT, num_samples).permutation(num_samples)
        if num_samples < FEWEST_TO_SPLIT:
            return order_N, order_N
        held_out = max(1, int(self.val_fraction * num_samples))
        return order_N[held_out:], order_N[:held_out]

    def layers(self, cell: "Cell") -> list[tuple[int, int]]:
        """Inputs and outputs of the three layers."""
        source_dim, target_dim = cell.inputs.shape[1], cell.targets.shape[1]
        return [(source_dim, self.hidden), (self.hidden, self.hidden), (self.hidden, target_dim)]

    def dropout_factors(self, num_samples: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Which neurons of the two hidden layers are kept, (N, H) each, as factors 0 or 1 / (1 - dropout).

        The first rows are the same for every number of samples.
        """
        numbers = random_numbers(self.seed, DROPOUT, epoch)
        drawn_N2H = numbers.random((num_samples, 2, self.hidden), dtype=np.float32)
        keep = np.float32(1 - self.dropout)
        first_NH, second_NH = torch.from_numpy((drawn_N2H < keep).astype(np.float32) / keep).unbind(1)
        return first_NH, second_NH


class Cell(NamedTuple):
    """What one perceptron is trained on."""

    inputs: Array  # (N, D)
    targets: Array  # (N, E)
    ridge: float


class Scaling(NamedTuple):
    """What standardises around a perceptron."""

    input_mean: Tensor  # (2, D), in two parts
    input_scale: Tensor  # (D,)
    target_mean: Tensor  # (2, E), in two parts
    target_scale: Tensor  # (E,)


class Trained(NamedTuple):
    """One trained perceptron."""

    parameters: list[Tensor]  # (D, H), (1, H), (H, H), (1, H), (H, E), (1, E)
    scaling: Scaling
    epoch: int  # the epoch of the best weights; 0 are the first weights
    error: float  # mean squared error of the held-out samples there, in squared latents


def standardiser(values_ND: Array, *, centre: bool) -> tuple[Array, Array]:
    """Mean (D,) and scale (D,): the standard deviation, or the root mean square of what is not centred.

    A dimension that is constant gets the scale 1: to single precision, if that holds all of its values, else to
    double precision.
    """
    mean_D = values_ND.mean(axis=0) if centre else np.zeros(values_ND.shape[1])
    scale_D = np.sqrt(((values_ND - mean_D) ** 2).mean(axis=0))
    constant_D = scale_D <= rounding_of(values_ND) * np.abs(values_ND).max(axis=0)
    return mean_D, np.where(constant_D, 1.0, scale_D)


def random_numbers(seed: int, *keys: int) -> np.random.Generator:
    """A stream of random numbers of its own for each seed and keys."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(unsigned(seed), spawn_key=keys)))
