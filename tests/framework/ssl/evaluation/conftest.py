"""Features that are told apart by class, and a small encoder for digits."""

import torch
from torch import nn

from framework.ssl.evaluation.features import Features
from framework.ssl.evaluation.tasks import Task, task_of


def blobs(count: int, *, classes: int = 4, width: int = 6, seed: int = 0, spread: float = 1.0) -> Features:
    """Gaussian clouds, one a class; the clouds lie at the same places whatever the seed."""
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    numbers = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=numbers)
    noise = torch.randn(count, width, generator=numbers)
    return Features(centres[labels] + spread * noise, labels)


def digits() -> Task:
    return task_of("digits")


class Encoder(nn.Module):
    """An `encode` that is not its forward."""

    def __init__(self, width: int = 12, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.BatchNorm1d(width), nn.Dropout(0.5))

    def encode(self, images):
        return self.layers(images)

    def forward(self, images):
        raise AssertionError("encode is to be taken")
