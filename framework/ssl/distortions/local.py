"""Blur, erasing and noise on whole batches of images in [0, 1], each image with its own parameters.

Shapes: N images, C channels, H x W pixels, K pixels of a kernel's side.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from framework.ssl.distortions.drawing import Boxes
from framework.ssl.distortions.rows import each

BY_MATRIX = 64  # pixels; matrices of larger images have mostly zeros


def kernel_size(given: int | None, largest_sigma: float, side: int) -> int:
    """The side of the kernel: what is given, or three standard deviations each way where the image has them."""
    return given if given is not None else 2 * min(math.ceil(3 * largest_sigma), side - 1) + 1


def kernels(sigmas_N: Tensor, size: int) -> Tensor:
    """Gaussian kernels in one dimension, (N, K), which sum to 1."""
    offsets_K = torch.arange(size, device=sigmas_N.device, dtype=torch.float32) - (size - 1) / 2
    return (-0.5 * (offsets_K / sigmas_N[:, None]) ** 2).softmax(1)


def blur(images_NCHW: Tensor, sigmas_N: Tensor, size: int) -> Tensor:
    """Each image blurred by its own kernel, its border mirrored, as `v2.functional.gaussian_blur`."""
    kernels_NK = kernels(sigmas_N, size)
    if max(images_NCHW.shape[2:]) <= BY_MATRIX:
        return _by_matrix(images_NCHW, kernels_NK)
    count, channels, height, width = images_NCHW.shape
    reach, groups = size // 2, count * channels
    taps = kernels_NK.to(images_NCHW.dtype).repeat_interleave(channels, 0)
    padded = functional.pad(images_NCHW, (reach, reach, reach, reach), mode="reflect")
    padded = padded.view(1, groups, height + 2 * reach, width + 2 * reach)
    down = functional.conv2d(padded, taps.view(groups, 1, size, 1), groups=groups)
    return functional.conv2d(down, taps.view(groups, 1, 1, size), groups=groups).view_as(images_NCHW)


def _by_matrix(images_NCHW: Tensor, kernels_NK: Tensor) -> Tensor:
    count, channels, height, width = images_NCHW.shape
    across_NWW = mixing(kernels_NK, width).to(images_NCHW.dtype)
    down_NHH = across_NWW if height == width else mixing(kernels_NK, height).to(images_NCHW.dtype)
    blurred = images_NCHW.reshape(count, channels * height, width) @ across_NWW.transpose(1, 2)
    return down_NHH[:, None] @ blurred.view(count, channels, height, width)


def mixing(kernels_NK: Tensor, side: int) -> Tensor:
    """What each pixel of a line gives to each, (N, side, side), where the line is mirrored at its ends."""
    size = kernels_NK.shape[1]
    places = torch.arange(side, device=kernels_NK.device)
    offsets = torch.arange(size, device=kernels_NK.device) - size // 2
    seen_KS = (places + offsets[:, None]).abs()
    seen_KS = side - 1 - (side - 1 - seen_KS).abs()
    takes_KSS = (seen_KS[:, :, None] == places).to(kernels_NK.dtype)
    return (kernels_NK @ takes_KSS.view(size, side * side)).view(-1, side, side)


def erase(images_NCHW: Tensor, boxes: Boxes, value: float) -> Tensor:
    """A rectangle of each image painted over."""
    top, left, long, wide = (each(values) for values in boxes)
    rows = torch.arange(images_NCHW.shape[2], device=images_NCHW.device)[:, None]
    columns = torch.arange(images_NCHW.shape[3], device=images_NCHW.device)
    inside = (rows >= top) & (rows < top + long) & (columns >= left) & (columns < left + wide)
    return images_NCHW.masked_fill(inside, value)


def add_noise(images_NCHW: Tensor, normal_NCHW: Tensor, mean: float, sigma: float) -> Tensor:
    """Noise added, clipped to [0, 1]; as `v2.functional.gaussian_noise` where the normal numbers are the same."""
    return (images_NCHW + (mean + normal_NCHW * sigma)).clamp_(0, 1)
