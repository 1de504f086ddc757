"""Two views of SimCLR of 32-pixel images, against lightly's transform in a DataLoader, on two cores.

    theirs   lightly's SimCLRTransform on PIL images (CIFAR's form), two workers
    ours     the preset simclr on batches, in two workers, and on the training thread with two threads

All three in turns in one run, so that what else the machine does falls on each. An image counts once for its two
views.
"""

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework.ssl.distortions.config import DistortionsConfig
from framework.ssl.distortions.distorter import Distorter
from framework.ssl.distortions.place import Place, views_of

IMAGES, SIDE, BATCH, CORES = 4096, 32, 256, 2
ROUNDS, OURS_TIMES = 3, 6  # as many times the images for ours, which would else be over too soon
TARGET = 5.0
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class _Pictures(Dataset[list[Tensor]]):
    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels.permute(0, 2, 3, 1).numpy()
        self.transform = SimCLRTransform(input_size=SIDE)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> list[Tensor]:
        found: list[Tensor] = self.transform(Image.fromarray(self.pixels[place]))
        return found


def measure() -> list[dict[str, Any]]:
    """One row: what workers make of the same batches; the note has the training thread."""
    numbers = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=np.uint8)
    pixels, threads = torch.from_numpy(numbers), torch.get_num_threads()
    distorter = Distorter(DistortionsConfig(), (3, SIDE, SIDE), 2, MEAN, STD)
    loader = DataLoader(_Pictures(pixels), batch_size=BATCH, num_workers=CORES)
    batches = list(torch.arange(IMAGES).split(BATCH)) * OURS_TIMES

    def ours(place: Place) -> float:
        views = views_of(pixels, batches, distorter, 0, place=place, num_workers=CORES)
        return _rate(views, lambda made: len(made.positions))

    torch.set_num_threads(CORES)
    try:
        found = [
            (_rate(loader, lambda made: len(made[0])), ours("workers"), ours("device")) for _ in range(ROUNDS)
        ]
    finally:
        torch.set_num_threads(threads)
    ratios = [[ours / row[0] for ours in row[1:]] for row in found]
    beside, here = (statistics.median(row[place] for row in ratios) for place in (0, 1))
    theirs, rate, _ = (statistics.median(column) for column in zip(*found, strict=True))
    return [
        {
            "name": f"distortions: two SimCLR views of {SIDE}-pixel images, {CORES} cores, two workers each",
            "measured": f"{rate:,.0f} images/s, lightly {theirs:,.0f}: {beside:.1f} times faster",
            "target": f"≥ {TARGET:.0f} times",
            "reached": beside >= TARGET,
            "note": f"rounds: {', '.join(f'{row[0]:.1f}' for row in ratios)}; on the training thread with {CORES} "
            f"threads {here:.1f} times",
        }
    ]


def _rate(batches: Iterable[Any], count: Callable[[Any], int]) -> float:
    """Images a second from the first batch's arrival on: starting the workers does not count."""
    arrived = iter(batches)
    next(arrived)
    start, images = time.perf_counter(), 0
    for made in arrived:
        images += count(made)
    return images / (time.perf_counter() - start)
