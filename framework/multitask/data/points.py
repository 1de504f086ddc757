"""Where train points lie between two ends. Each draws from `generator` alone; shape (N,), in double precision.

`noise` and `periodic` are kept within the interval, unlike those they are modelled on: there a normal draw was
wrapped and then shifted by half the interval, and the sine had twice the interval's height.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

Place = Callable[[int, float, float, torch.Generator], Tensor]


def equidistant(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Equal steps from end to end; a single point lies in the middle."""
    if count == 1:
        return torch.tensor([(low + high) / 2], dtype=torch.float64)
    return torch.linspace(low, high, count, dtype=torch.float64)


def middles(count: int, low: float, high: float) -> Tensor:
    """The middles of so many cells of equal width."""
    return low + (torch.arange(count, dtype=torch.float64) + 0.5) * (high - low) / count


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Independent uniform draws."""
    return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)


def noise(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Normal draws around the middle with standard deviation 1, wrapped into the interval."""
    width = high - low
    drawn = torch.randn(count, generator=generator, dtype=torch.float64)
    return low + torch.remainder(drawn + width / 2, width)


def periodic(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Half of the points along sin(1.5πt), t from -1 to 1, half along its negative; both fill the interval."""
    half = count // 2
    waves = [
        sign * torch.sin(1.5 * math.pi * torch.linspace(-1, 1, part, dtype=torch.float64))
        for sign, part in ((1, half), (-1, count - half))
        if part
    ]
    return (low + high) / 2 + (high - low) / 2 * torch.cat(waves)


PLACES: Mapping[str, Place] = MappingProxyType(
    {"equidistant": equidistant, "uniform": uniform, "noise": noise, "periodic": periodic}
)
