"""Fine-tuning: the encoder goes on learning, with labels and a linear head, on a copy.

Stochastic gradient descent with momentum 0.9 and a step size of 0.05 · B / 256 that goes down to 0 along half a
cosine, step by step; no weight decay, no distortion. The head's weights, the order of the images and what the
encoder draws (dropout) come of one seed; torch's own random state is left as it was.

Shapes: N images, B images of a batch, C classes.
"""

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.data.vision import ImageSet
from framework.errors import InvalidInput, Problem, TrainingDiverged
from framework.machine import device_here
from framework.seeds import refuse_no_seed, torch_numbers
from framework.ssl.evaluation.features import encoded, features_of
from framework.ssl.evaluation.images import fitted, shape_taken
from framework.ssl.method import Method
from framework.values import is_number

EPOCHS = 30
BATCH = 256
RATE = 0.05  # for a batch of 256
MOMENTUM = 0.9


class FineTuned(nn.Module):
    """An encoder and a linear head: logits (N, C) of images. `losses` are the means of each epoch."""

    def __init__(self, encoder: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.image_shape = shape_taken(encoder)
        self.head = nn.Linear(num_features, num_classes)
        self.losses: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of a batch of images."""
        logits_BC: Tensor = self.head(encoded(self.encoder, images).to(self.head.weight.dtype))
        return logits_BC


def fine_tune(
    model: nn.Module,
    train: ImageSet,
    num_classes: int,
    *,
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> FineTuned:
    """A fine-tuned copy of a model (of a `Method`: of its backbone), in eval mode, on the device.

    It is equal for equal seeds. Of each epoch the images that fill no batch are left out; a train part that is
    smaller than a batch is one.

    Raises:
        InvalidInput: a number that cannot be used, fewer than two images, or as `features_of`.
        TrainingDiverged: the loss became NaN or infinite.
    """
    _refuse(train, epochs, batch_size)
    refuse_no_seed(seed)
    encoder = copy.deepcopy(model.backbone if isinstance(model, Method) else model)
    width = features_of(encoder, train.images[:2]).shape[1]  # which refuses what is no encoder
    first = next(encoder.parameters(), torch.empty(0))
    there = first.device if device is None else device_here(device)
    with torch.random.fork_rng(devices=[there] if there.type == "cuda" else []):
        torch.manual_seed(seed)
        tuned = FineTuned(encoder, width, num_classes).to(there)
        _train(tuned, train, epochs, min(batch_size, len(train)), seed, there)
    return tuned.eval()


def _train(
    tuned: FineTuned, train: ImageSet, epochs: int, batch_size: int, seed: int, there: torch.device
) -> None:
    for parameter in tuned.parameters():
        parameter.requires_grad_(True)
    rate = RATE * batch_size / 256
    optimiser = torch.optim.SGD(tuned.parameters(), rate, momentum=MOMENTUM)
    numbers = torch_numbers(seed)
    batches = len(train) // batch_size
    steps = epochs * batches
    tuned.train()
    for epoch in range(epochs):
        order_N = torch.randperm(len(train), generator=numbers)
        losses = []
        for batch, chosen_B in enumerate(torch.split(order_N[: batches * batch_size], batch_size)):
            step = epoch * batches + batch
            optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
            loss = F.cross_entropy(
                tuned(_taken(tuned, train.images[chosen_B], there)), train.labels[chosen_B].to(there)
            )
            if not bool(torch.isfinite(loss)):
                raise TrainingDiverged(f"the loss of fine-tuning became {loss.item()} in step {step} of {steps}")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.detach())
        tuned.losses.append(float(torch.stack(losses).mean()))


def _taken(tuned: FineTuned, images: Tensor, there: torch.device) -> Tensor:
    moved = images.to(there)
    return moved if tuned.image_shape is None else fitted(moved, tuned.image_shape)


def _refuse(train: ImageSet, epochs: Any, batch_size: Any) -> None:
    problems = []
    if not (is_number(epochs, whole=True) and epochs >= 1):
        problems.append(Problem("epochs", f"is {epochs!r}; allowed: 1 or more"))
    if not (is_number(batch_size, whole=True) and batch_size >= 2):
        problems.append(Problem("batch_size", f"is {batch_size!r}; allowed: 2 or more images"))
    if len(train) < 2:
        problems.append(Problem("train", f"has {len(train)} images; allowed: 2 or more"))
    if problems:
        raise InvalidInput(problems, "fine-tuning")
