"""Models as if they had been fine-tuned from one checkpoint: the base and small changes of it."""

import copy

import torch
from torch import nn

from tests.framework.fusion.zoo import module


def fine_tuned(base, number=3, size=0.05, seed=0):
    """Copies of `base` with noise in every floating-point parameter."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(number):
        made = copy.deepcopy(base)
        with torch.no_grad():
            for part in made.parameters():
                noise = torch.randn(part.shape, generator=generator, dtype=torch.float64)
                part.add_(size * noise.to(part.dtype))
        found.append(made)
    return found


def family(name="mlp with bias", number=3, size=0.05):
    base = module(name)
    return base, fine_tuned(base, number, size)


def linear(inputs=5, outputs=3, bias=False, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(inputs, outputs, bias=bias)


def weights(made):
    return {name: part.detach().double() for name, part in made.named_parameters()}


def close(first, second, **near):
    mine, theirs = weights(first), weights(second)
    assert mine.keys() == theirs.keys()
    return all(torch.allclose(tensor, theirs[name], **near) for name, tensor in mine.items())
