"""Images as they are looked at: undistorted, at the size and on the scale of the views.

Shapes: N images, C channels, H x W pixels, D features, F numbers of a projection.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from framework.data.config import DataConfig
from framework.data.vision import Splits
from framework.ssl.distortions.distorter import Distorter
from framework.ssl.evaluation.images import fitted
from framework.ssl.method import Method
from framework.ssl.training.config import FreshEncoder
from framework.training.evaluation import evaluating

AT_ONCE = 512


class Encoded(NamedTuple):
    """Features (N, D) and projections (N, F)."""

    features: Tensor
    projections: Tensor


class Plain:
    """Makes of images as they are kept (bytes, or intensities on [0, 1]) what a method looks at."""

    def __init__(self, shape: tuple[int, int, int], mean_C: Tensor | None, std_C: Tensor | None) -> None:
        self.shape, self.mean, self.std = shape, mean_C, std_C

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Images (N, *shape) in single precision."""
        images = images_NCHW.float() / 255 if images_NCHW.dtype == torch.uint8 else images_NCHW.float()
        images = fitted(images, self.shape)
        if self.mean is None or self.std is None:
            return images
        mean, std = self.mean.to(images.device), self.std.to(images.device)
        return (images - mean[:, None, None]) / std[:, None, None]

    def encoded(self, method: Method, images_NCHW: Tensor, device: torch.device) -> Encoded:
        """What a method makes of images, in eval mode without gradient; on `device`, in single precision."""
        with evaluating(method):
            parts = list(self._parts(method, images_NCHW, device))
        features, projections = zip(*parts, strict=True)
        return Encoded(torch.cat(features), torch.cat(projections))

    def _parts(self, method: Method, images_NCHW: Tensor, device: torch.device) -> Iterator[Encoded]:
        for part in torch.split(images_NCHW, AT_ONCE):
            features = method.encode(self(part.to(device)))
            yield Encoded(features.float(), method.project(features).float())


def scale_of(config: DataConfig, splits: Splits) -> tuple[Tensor | None, Tensor | None]:
    """Mean and standard deviation that images are normalised by, on [0, 1]; none with normalise=unit."""
    return (splits.mean, splits.std) if config.normalise == "standard" else (None, None)


def plain_of(config: FreshEncoder, splits: Splits) -> Plain:
    """How images are looked at that `config` learns from."""
    return Plain(config.shape, *scale_of(config.data, splits))


def distorter_of(config: FreshEncoder, splits: Splits) -> Distorter:
    """What makes the views of `config`."""
    mean, std = scale_of(config.data, splits)
    channels, height, width = splits.image_shape
    return Distorter(config.distortions, (channels, height, width), config.method.views, mean, std)
