"""Reconstruction error.

One statement for the whole project: the mean squared error per pixel, in units of pixel intensity squared with
intensity on [0, 1]. Images on another scale (`DataConfig.normalise`) are brought back by `pixel_scale`, the
intensity of one of their units.

Shapes: N images, C channels, H x W pixels, K classes.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from framework.metrics.metric import Metric

MSE = Metric(
    name="mse",
    unit="pixel intensity squared, intensity on [0, 1]",
    better="lower",
    reduction="mean over the pixels and channels of an image, then over images",
)

PSNR = Metric(
    name="psnr",
    unit="decibels, of the largest intensity, 1, over the error",
    better="higher",
    reduction="that of each image's mean squared error, then the mean over images",
)


def mse_per_image(reconstructions_NCHW: Tensor, images_NCHW: Tensor, pixel_scale_C: Tensor) -> Tensor:
    """The mean squared error of each image, (N,), in intensity squared on [0, 1]; differentiable."""
    errors_NCHW = (reconstructions_NCHW - images_NCHW) * pixel_scale_C[:, None, None]
    return errors_NCHW.square().mean(dim=(1, 2, 3))


def psnr_per_image(errors_N: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The peak signal-to-noise ratio of each image, (N,), in dB: -10 log10 of its mean squared error, (N,).

    It is infinite for an image that is given back exactly, and so is then the mean over images.
    """
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.asarray(errors_N, dtype=np.float64))


def class_means(errors_N: npt.ArrayLike, labels_N: npt.ArrayLike) -> pd.DataFrame:
    """Mean and variance of the errors of each class that occurs.

    Args:
        errors_N: Error of each image, (N,).
        labels_N: Class of each image, (N,).

    Returns:
        A row a class, sorted: `class`, `count`, `mean`, and `variance`, the population variance (divisor
        `count`) of the errors of its images. The means weighted by the counts give the total mean.
    """
    errors = np.asarray(errors_N, dtype=np.float64)
    classes, which, counts = np.unique(np.asarray(labels_N), return_inverse=True, return_counts=True)
    means = np.bincount(which, weights=errors) / counts
    variances = np.bincount(which, weights=(errors - means[which]) ** 2) / counts
    return pd.DataFrame({"class": classes, "count": counts, "mean": means, "variance": variances})
