"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
structural similarity", 2004), equations 13 to 17.

    SSIM(x, y) = (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2)),   C = (K L)²                (1)

at each position of a Gaussian window, then the mean over positions and channels; K = .01 and .03, L = 1 is the
range of intensities. As in the paper the window is 11 pixels wide with σ = 1.5 and stays inside the image; in
smaller images it has the largest odd width that fits. scikit-image gives the same with Gaussian weights and
`use_sample_covariance=False`; torchmetrics takes the mean over a reflected border too.

The window is a product of one along rows and one along columns, so that each weighted mean is two products with a
banded matrix, F x Fᵀ. Of the images that are to be met, they are computed once.

Shapes: N images, C channels, H x W pixels, P x Q positions of the window.
"""

import torch
from torch import Tensor

from framework.metrics.metric import Metric

STRUCTURAL_SIMILARITY = Metric(
    name="ssim",
    unit="none, at most 1 and 1 for equal images",
    better="higher",
    reduction="mean over the window's positions and channels of an image, then over images",
)

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
AT_ONCE = 128  # images


class SSIM:
    """Similarity to `images_NCHW`, for reconstructions of them again and again.

    Args:
        images_NCHW: The images that are to be met.
        pixel_scale_C: Intensity on [0, 1] of one unit of the images.
        pixel_offset_C: Intensity of their zero: the mean for standardised images; None is 0.
    """

    def __init__(self, images_NCHW: Tensor, pixel_scale_C: Tensor, pixel_offset_C: Tensor | None = None) -> None:
        height, width = images_NCHW.shape[-2:]
        window = min(WINDOW, height, width)
        window -= 1 - window % 2
        self._along_rows = _band(window, height).to(images_NCHW)
        self._along_columns = _band(window, width).to(images_NCHW).t()
        offset_C = torch.zeros_like(pixel_scale_C) if pixel_offset_C is None else pixel_offset_C
        self._scale, self._offset = pixel_scale_C[:, None, None], offset_C[:, None, None]
        self._images = torch.split(self._intensity(images_NCHW), AT_ONCE)
        self._means = [self._mean(y) for y in self._images]
        self._variances = [
            self._mean(y.square()) - mean.square() for y, mean in zip(self._images, self._means, strict=True)
        ]

    def __len__(self) -> int:
        return sum(map(len, self._images))

    def __call__(self, reconstructions_NCHW: Tensor) -> Tensor:
        """The similarity of each reconstruction to its image, (N,)."""
        pieces = torch.split(reconstructions_NCHW, AT_ONCE)
        known = zip(pieces, self._images, self._means, self._variances, strict=True)
        return torch.cat([self._similarity(self._intensity(x), *of_y) for x, *of_y in known])

    def _similarity(self, x: Tensor, y: Tensor, mean_y: Tensor, variance_y: Tensor) -> Tensor:
        mean_x = self._mean(x)
        means = mean_x * mean_y
        squares = mean_x.square()
        covariance = self._mean(x * y) - means
        variances = self._mean(x.square()) - squares + variance_y
        top = (2 * means + C1) * (2 * covariance + C2)
        return (top / ((squares + mean_y.square() + C1) * (variances + C2))).mean(dim=(1, 2, 3))  # (1)

    def _intensity(self, images_NCHW: Tensor) -> Tensor:
        return torch.addcmul(self._offset, images_NCHW, self._scale)

    def _mean(self, x_NCHW: Tensor) -> Tensor:
        """The weighted mean under each position of the window, (N, C, P, Q)."""
        return self._along_rows @ (x_NCHW @ self._along_columns)


def ssim_per_image(
    reconstructions_NCHW: Tensor,
    images_NCHW: Tensor,
    pixel_scale_C: Tensor,
    pixel_offset_C: Tensor | None = None,
) -> Tensor:
    """The structural similarity of each image to its reconstruction, (N,); the arguments are those of `SSIM`."""
    return SSIM(images_NCHW, pixel_scale_C, pixel_offset_C)(reconstructions_NCHW)


def _band(window: int, side: int) -> Tensor:
    """The weights of a window at each of its positions along a side, (side - window + 1, side)."""
    distances = torch.arange(window, dtype=torch.float64) - window // 2
    weights = torch.exp(-(distances**2) / (2 * SIGMA**2))
    band = torch.zeros(side - window + 1, side, dtype=torch.float64)
    for position in range(len(band)):
        band[position, position : position + window] = weights / weights.sum()
    return band
