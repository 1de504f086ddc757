"""A whole training step of SimCLR on 32-pixel images, against lightly's own example, on two cores.

    theirs   lightly's example loop: SimCLRTransform on PIL images in a DataLoader with two workers, backbone,
             projection head, NTXentLoss, SGD
    ours     `SelfSupervised` with Lightning and its callbacks as `pretrain` has them, views on the training thread
             or in two workers, wherever the probe finds them faster

Both have the same ResNet18 of an eighth of the width, the same head, batch size and loss, and two threads. Each
round does both, so that what else the machine does falls on each.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from framework.data.vision import ImageSet, Splits
from framework.ssl import build
from framework.ssl.training import pretraining
from framework.ssl.training.config import EncoderConfig

IMAGES, SIDE, BATCH, CORES, ROUNDS, WIDTH = 2048, 32, 128, 2, 5, 0.125
TARGET, SHARE = 1.5, 0.15


def _config(place: str) -> EncoderConfig:
    return EncoderConfig.parse(
        {
            "data": {"name": "cifar10"},
            "distortions": {"preset": "simclr", "place": place},
            "backbone": {"kind": "cifar_resnet", "width": WIDTH},
            "batch_size": BATCH,
            "max_epochs": 1,
            "num_workers": CORES,
            "neighbours": 1,
            "probe": False,
            "diagnostics_every": None,
            "device": "cpu",
        }
    )


class _Pictures(Dataset[tuple[list[Tensor], int]]):
    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels.permute(0, 2, 3, 1).numpy()
        self.transform = SimCLRTransform(input_size=SIDE)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> tuple[list[Tensor], int]:
        views: list[Tensor] = self.transform(Image.fromarray(self.pixels[place]))
        return views, 0


def measure() -> list[dict[str, Any]]:
    """A row for the step, and one for the share of it that making views has."""
    numbers = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=np.uint8)
    pixels, threads = torch.from_numpy(numbers), torch.get_num_threads()
    torch.set_num_threads(CORES)
    try:
        found = [(_theirs(pixels), _ours(pixels, "auto"), _ours(pixels, "device")) for _ in range(ROUNDS)]
    finally:
        torch.set_num_threads(threads)
    ratios = [theirs / ours[0] for theirs, ours, _ in found]
    ratio, share = statistics.median(ratios), statistics.median(here[1] for *_, here in found)
    theirs, ours = (
        1e3 * statistics.median(column) for column in zip(*((a, b[0]) for a, b, _ in found), strict=True)
    )
    places = ", ".join(f"{ratio:.2f} ({ours[2]})" for ratio, (_, ours, _) in zip(ratios, found, strict=True))
    return [
        {
            "name": f"ssl: a SimCLR step, small ResNet, {SIDE}-pixel images, batch {BATCH}, {CORES} cores",
            "measured": f"{ours:,.0f} ms, lightly's example {theirs:,.0f} ms: {ratio:.2f} times faster",
            "target": f"≥ {TARGET:g} times",
            "reached": ratio >= TARGET,
            "note": f"rounds: {places}",
        },
        {
            "name": "ssl: the share of a step that views take, on the training thread",
            "measured": f"{share:.1%}",
            "target": f"≤ {SHARE:.0%}",
            "reached": share <= SHARE,
            "note": f"of {1e3 * statistics.median(here[0] for *_, here in found):,.0f} ms a step there",
        },
    ]


def _theirs(pixels: Tensor) -> float:
    """Seconds a step of lightly's example, from the first batch's arrival on."""
    config = _config("device")
    method = build(config.method, (3, SIDE, SIDE), 0, config.backbone)
    model = nn.Sequential(method.backbone, method.projection)
    criterion = NTXentLoss(temperature=config.method.temperature)
    optimiser = torch.optim.SGD(model.parameters(), lr=config.step_size, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(_Pictures(pixels), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=CORES)
    arrived = iter(loader)
    next(arrived)
    start, steps = time.perf_counter(), 0
    for (first, second), _ in arrived:
        loss = criterion(model(first), model(second))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        steps += 1
    return (time.perf_counter() - start) / steps


def _ours(pixels: Tensor, place: str) -> tuple[float, float, str]:
    """Seconds a step of `pretrain`, the share of it that views take on the thread, and where they were made."""
    from tests.framework.fakes import FakeRun

    labels = torch.arange(IMAGES) % 10
    train = ImageSet(pixels, labels, torch.arange(IMAGES))
    few = ImageSet(pixels[:BATCH], labels[:BATCH], torch.arange(BATCH))
    scale = torch.full((3,), 0.5)
    splits = Splits("cifar10", train, few, few, scale, scale, "bytes")
    real = pretraining.load_pixels
    pretraining.load_pixels = lambda config: splits  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory() as folder:
            run: Any = FakeRun(Path(folder) / "run")
            pretraining.pretrain(_config(place), run)
    finally:
        pretraining.load_pixels = real
    minutes = run.tables["timing"].set_index("phase")["minutes"]
    step = minutes[["data", "transform", "forward", "backward", "update"]]
    seconds = 60 * float(step.sum()) / (IMAGES // BATCH)
    return seconds, float(minutes["transform"] / step.sum()), str(run.summary["distortions_place"])


if __name__ == "__main__":
    for row in measure():
        print(row)
