"""Where views are made: on the training thread, or in processes beside it; and which is faster here.

Both draw by the seed and the number of the step, so that they make the same views but for the rounding of another
device, and a run can change its place, or go on after any step.

Shapes: N images, V views, B images in a batch, C channels, H x W pixels.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework.errors import ConfigError, Problem
from framework.seeds import torch_numbers
from framework.ssl.distortions.distorter import Distorter, generator_of

Place = Literal["device", "workers"]
PROBED = 20
PREFETCHED = 2  # batches that each worker makes ahead
GAIN = 1.05  # by how much workers must be faster: they take memory and cores of others


class Views(NamedTuple):
    """Views (V, B, C, S, S), the positions of their images (B,), and which of these are distorted (B,)."""

    views: Tensor
    positions: Tensor
    distorted: Tensor


@dataclass(frozen=True)
class Choice:
    """A place, why it was chosen, and the seconds that a step took at each place that was tried."""

    place: Place
    reason: str
    seconds: dict[str, float]

    def record(self) -> dict[str, str | float]:
        """What a run keeps of it."""
        tried = {f"seconds_{place}": seconds for place, seconds in self.seconds.items()}
        return {"place": self.place, "reason": self.reason, **tried}


def views_of(
    images_NCHW: Tensor,
    batches: Sequence[Tensor],
    distorter: Distorter,
    seed: int,
    *,
    place: Place = "device",
    device: torch.device | str = "cpu",
    num_workers: int = 2,
    first_step: int = 0,
) -> Iterator[Views]:
    """The views of each batch in turn, on `device`. `batches` are positions of images; the first has `first_step`.

    Raises:
        ConfigError: workers are to make them, and there is none, or the images do not lie in main memory.
    """
    device, steps = torch.device(device), list(enumerate(batches, first_step))
    if place == "device":
        distorter = copy.deepcopy(distorter).to(device)
        for step, positions in steps:
            images = images_NCHW[positions.to(images_NCHW.device)].to(device, non_blocking=True)
            made, drawn = distorter.make(images, generator_of(seed, step))
            yield Views(made, positions, drawn.distorted)
        return
    if num_workers < 1:
        raise ConfigError([Problem("num_workers", f"is {num_workers}; allowed: 1 or more where place is workers")])
    if images_NCHW.device.type != "cpu":
        message = f"lie on {images_NCHW.device}, where workers cannot read them; keep them in main memory"
        raise ConfigError([Problem("images", message)])
    loader: DataLoader[Views] = DataLoader(
        _Made(images_NCHW, copy.deepcopy(distorter).cpu(), seed),
        sampler=steps,
        batch_size=None,
        num_workers=num_workers,
        prefetch_factor=PREFETCHED,
        pin_memory=device.type == "cuda",
        generator=torch_numbers(0),
    )
    for made in loader:
        yield Views(made[0].to(device, non_blocking=True), *made[1:])


def choose_place(
    asked: Literal["auto", "device", "workers"],
    train_step: Callable[[Tensor], object],
    images_NCHW: Tensor,
    batches: Sequence[Tensor],
    distorter: Distorter,
    *,
    device: torch.device | str = "cpu",
    num_workers: int = 2,
    steps: int = PROBED,
) -> Choice:
    """The place at which a training step and its views take less time, tried for `steps` steps each.

    `train_step` is called with views (V, B, C, S, S) on `device`; it should do what a training step does and leave
    nothing behind, for instance on a copy of the model. The first steps of each place are not counted: they start
    processes, fill the queue and warm up. `batches` are gone through again where they are fewer.
    """
    if asked != "auto":
        return Choice(asked, f"{asked} was asked for", {})
    if num_workers < 1 or images_NCHW.device.type != "cpu":
        why = "there are no workers" if num_workers < 1 else f"the images lie on {images_NCHW.device}"
        return Choice("device", f"{why}, so nothing was tried", {})
    repeated = [batches[step % len(batches)] for step in range(steps)]
    ahead = min(steps // 2, 1 + PREFETCHED * num_workers)
    seconds: dict[str, float] = {}
    places: tuple[Place, Place] = ("device", "workers")
    for place in places:
        views = views_of(images_NCHW, repeated, distorter, 0, place=place, device=device, num_workers=num_workers)
        seconds[place] = _seconds_a_step(views, train_step, ahead, steps, torch.device(device))
    chosen: Place = "workers" if seconds["workers"] * GAIN < seconds["device"] else "device"
    told = ", ".join(f"{1e3 * seconds[place]:.3g} ms on {place}" for place in places)
    return Choice(chosen, f"a step took {told} (mean of {steps - ahead} of {steps} steps each)", seconds)


def _seconds_a_step(
    views: Iterator[Views], train_step: Callable[[Tensor], object], ahead: int, steps: int, device: torch.device
) -> float:
    for made in islice(views, ahead):
        train_step(made.views)
    _wait_for(device)
    start = time.perf_counter()
    for made in views:
        train_step(made.views)
    _wait_for(device)
    return (time.perf_counter() - start) / (steps - ahead)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class _Made(Dataset[Views]):
    """Views by (step, positions): what a worker makes."""

    def __init__(self, images_NCHW: Tensor, distorter: Distorter, seed: int) -> None:
        self.images, self.distorter, self.seed = images_NCHW, distorter, seed

    def __getitem__(self, asked: tuple[int, Tensor]) -> Views:
        step, positions = asked
        made, drawn = self.distorter.make(self.images[positions], generator_of(self.seed, step))
        return Views(made, positions, drawn.distorted)
