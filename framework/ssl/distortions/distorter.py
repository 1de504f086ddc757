"""Views of a batch: all distortions of all views of all images in one pass.

    distorter = Distorter(DistortionsConfig(preset="byol"), (3, 32, 32), views=2, mean=mean, std=std)
    drawn = distorter.draw(len(images), generator_of(seed, step))
    views = distorter(images, drawn)  # (2, B, 3, 32, 32)

What is random is drawn first, in one piece and without a look at the images, so that the second line can be
compiled, and gives the same views wherever it runs.

Shapes: V views, B images in a batch, N = V · B, C channels, H x W pixels, K uniform numbers an image.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from framework.errors import ConfigError, Problem
from framework.seeds import refuse_no_seed, torch_numbers, unsigned
from framework.ssl.distortions import drawing, geometry
from framework.ssl.distortions.config import (
    Crop,
    DistortionsConfig,
    HorizontalFlip,
    Noise,
    VerticalFlip,
    reduced,
    view_problems,
)  # fmt: skip
from framework.ssl.distortions.steps import DO, NUMBERS, Numbers, add_noise
from framework.ssl.distortions.threads import side_by_side

STREAM = 0x76696577  # keeps these draws apart from others that are seeded alike
CACHED = 2**21  # bytes of a batch of views that are worked together on a CPU


class Drawn(NamedTuple):
    """Uniform numbers (K, N), normal numbers (N, C, H, W) for each noise, and which images are distorted (B,)."""

    numbers: Tensor
    normal: tuple[Tensor, ...]
    distorted: Tensor


def generator_of(seed: int, step: int) -> torch.Generator:
    """The numbers of one batch: they depend on the seed and the number of the step alone, on no batch before.

    Raises:
        InvalidInput: the seed is none.
    """
    refuse_no_seed(seed)
    mixed = np.random.SeedSequence([unsigned(seed), step, STREAM]).generate_state(1, np.uint64)[0]
    return torch_numbers(int(mixed))


class Distorter(nn.Module):
    """Makes views. `notes` says in words what of a preset is left out for images of one channel."""

    mean: Tensor
    std: Tensor
    shares: Tensor  # of each distortion (row) in each view

    def __init__(
        self,
        config: DistortionsConfig,
        shape: tuple[int, int, int],
        views: int = 2,
        mean: Tensor | None = None,
        std: Tensor | None = None,
    ) -> None:
        """Views of images of `shape` (C, H, W); at the end `mean` (C,) is taken off and `std` (C,) divides.

        Raises:
            ConfigError: with everything that cannot be done to such images, or with so many views.
        """
        super().__init__()
        problems = tuple(view_problems(config, shape, views))
        if problems:
            raise ConfigError(problems, "distortions")
        self.config, self.shape, self.views = config, shape, views
        self.steps, self.notes = reduced(config, shape[0])
        self.size = (config.size, config.size) if config.size else (shape[1], shape[2])
        channels = shape[0]
        shares = torch.tensor([_shares(step, views) for step in self.steps]).view(len(self.steps), views)
        self.register_buffer("shares", shares, persistent=False)
        self.register_buffer("mean", torch.zeros(channels) if mean is None else mean.float(), persistent=False)
        self.register_buffer("std", torch.ones(channels) if std is None else std.float(), persistent=False)

    def make(self, images_BCHW: Tensor, generator: torch.Generator) -> tuple[Tensor, Drawn]:
        """Views (V, B, C, S, S), and what was drawn for them."""
        drawn = self.draw(len(images_BCHW), generator)
        return self(images_BCHW, drawn), drawn

    def draw(self, batch: int, generator: torch.Generator) -> Drawn:
        """What is random in the views of a batch; it lies on the generator's device.

        Which images are distorted does not move the other draws: two fractions distort the same images alike, and
        the smaller distorts some of those that the larger does.
        """
        place: dict[str, Any] = {"generator": generator, "device": generator.device}
        count = sum(1 + NUMBERS.get(type(step), 0) for step in self.steps)
        ranks_B = torch.rand(batch, **place).argsort().argsort()
        numbers_KN = torch.rand(count, self.views * batch, **place)
        shapes = [
            (self.views * batch, self.shape[0], *size) for step, size in self._sized() if type(step) is Noise
        ]
        normal = tuple(torch.randn(shape, **place) for shape in shapes)
        return Drawn(numbers_KN, normal, ranks_B < round(self.config.fraction * batch))

    @torch.no_grad()
    def forward(self, images_BCHW: Tensor, drawn: Drawn) -> Tensor:
        """Views (V, B, C, S, S) of images in [0, 1] or of bytes: float32, normalised, where the images lie.

        Raises:
            ConfigError: the images have another shape than was said.
        """
        if tuple(images_BCHW.shape[1:]) != self.shape:
            message = f"has images of {tuple(images_BCHW.shape[1:])}; they were said to be {self.shape}"
            raise ConfigError([Problem("images", message)])
        kind = images_BCHW.device.type
        if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
            return self._in_parts(images_BCHW, drawn)
        with torch.autocast(kind, enabled=False):  # half precision would round intensities to a 256th
            return self._in_parts(images_BCHW, drawn)

    def _in_parts(self, images_BCHW: Tensor, drawn: Drawn) -> Tensor:
        """Views of all images: on a CPU in equal parts that its cache holds, on its threads."""
        batch, held = len(images_BCHW), self._at_once(images_BCHW)
        if batch <= held:
            return self._views(images_BCHW, drawn)
        views, count = torch.empty(self.views, batch, self.shape[0], *self.size), math.ceil(batch / held)

        @torch.no_grad()
        def work(part: slice) -> None:
            views[:, part] = self._views(images_BCHW[part], part_of(drawn, part, self.views))

        side_by_side(work, [slice(batch * k // count, batch * (k + 1) // count) for k in range(count)])
        return views

    def _at_once(self, images_BCHW: Tensor) -> int:
        """How many images are worked together: on a CPU as many as its cache holds, elsewhere all."""
        if torch.compiler.is_compiling() or images_BCHW.device.type != "cpu":
            return len(images_BCHW)
        numbers = max(math.prod(self.shape), self.shape[0] * math.prod(self.size))
        return max(1, CACHED // (4 * self.views * numbers))

    def _views(self, images_BCHW: Tensor, drawn: Drawn) -> Tensor:
        images = images_BCHW.float() / 255 if images_BCHW.dtype == torch.uint8 else images_BCHW.float()
        device, batch = images.device, len(images)
        numbers = Numbers(drawn.numbers.to(device, non_blocking=True))
        distorted_N = drawn.distorted.to(device, non_blocking=True).repeat(self.views)
        normal = iter(drawn.normal)
        images = images.repeat(self.views, 1, 1, 1)
        steps = list(zip(self.steps, self.shares.to(device), strict=True))
        if not any(type(step) is Crop for step in self.steps):
            images = self._resized(images, [], numbers, distorted_N)
        while steps:
            step, shares_V = steps.pop(0)
            if type(step) is Crop:
                flips = _leading_flips(steps)
                del steps[: len(flips)]
                images = self._resized(images, [(step, shares_V), *flips], numbers, distorted_N)
                continue
            chosen_N = _chosen(shares_V, numbers, distorted_N)
            if type(step) is Noise:
                noise = next(normal).to(device, non_blocking=True)
                images = add_noise(step, images, chosen_N, noise)
            else:
                images = DO[type(step)](step, images, chosen_N, numbers)
        mean, std = self.mean.to(device), self.std.to(device)
        views = (images - mean[:, None, None]).div_(std[:, None, None])
        return views.view(self.views, batch, *views.shape[1:])

    def _resized(self, images: Tensor, steps: list[Any], numbers: Numbers, distorted_N: Tensor) -> Tensor:
        """A crop and the flips that follow it in one, or the plain resize where there is none."""
        boxes, flips = geometry.whole(images), [torch.zeros_like(distorted_N) for _ in range(2)]
        for step, shares_V in steps:
            chosen_N = _chosen(shares_V, numbers, distorted_N)
            if type(step) is Crop:
                drawn = drawing.crops(numbers.take(drawing.BOX_NUMBERS), step.scale, step.ratio, *images.shape[2:])
                boxes = tuple(torch.where(chosen_N, *pair) for pair in zip(drawn, boxes, strict=True))  # type: ignore[assignment]
            else:
                flips[type(step) is HorizontalFlip] = flips[type(step) is HorizontalFlip] ^ chosen_N
        if not steps and images.shape[2:] == self.size:
            return images
        return geometry.resample(images, boxes, self.size, *flips)

    def _sized(self) -> list[tuple[Any, tuple[int, int]]]:
        """Each distortion with the size of the images that it meets."""
        cropped = [type(step) is Crop for step in self.steps]
        early = cropped.index(True) if any(cropped) else 0
        return [
            (step, (self.shape[1], self.shape[2]) if place < early else self.size)
            for place, step in enumerate(self.steps)
        ]


def part_of(drawn: Drawn, part: slice, views: int) -> Drawn:
    """What was drawn for some of the images."""
    batch = len(drawn.distorted)
    numbers = drawn.numbers.view(len(drawn.numbers), views, batch)[:, :, part].flatten(1)
    normal = tuple(noise.view(views, -1, *noise.shape[1:])[:, part].flatten(0, 1) for noise in drawn.normal)
    return Drawn(numbers, normal, drawn.distorted[part])


def _shares(step: Any, views: int) -> list[float]:
    given = step.probability if isinstance(step.probability, tuple) else (step.probability,)
    return [float(given[view % len(given)]) for view in range(views)]


def _chosen(shares_V: Tensor, numbers: Numbers, distorted_N: Tensor) -> Tensor:
    """Which of the images a distortion is applied to, (N,)."""
    chosen_VB = numbers.take(1).view(len(shares_V), -1) < shares_V[:, None]
    return chosen_VB.flatten() & distorted_N


def _leading_flips(steps: list[Any]) -> list[Any]:
    count = 0
    while count < len(steps) and type(steps[count][0]) in (HorizontalFlip, VerticalFlip):
        count += 1
    return steps[:count]
