"""Crops, flips and rotations of whole batches, each image with its own parameters.

A crop is two matrices an image: the rows of the view are weighted means of the image's rows, and its columns of
columns. They hold the triangle filter of `torch.nn.functional.interpolate(mode="bilinear", antialias=True)`, which
torchvision uses, so the result is the same but for the rounding of sums. Mirrored matrices give mirrored images.

Shapes: N images, C channels, H x W pixels of the image, S pixels of a side of the view.
"""

import torch
from torch import Tensor
from torch.nn import functional

from framework.ssl.distortions.drawing import Boxes
from framework.ssl.distortions.rows import on_rows


def resample(
    images_NCHW: Tensor, boxes: Boxes, size: tuple[int, int], upside_down_N: Tensor, mirrored_N: Tensor
) -> Tensor:
    """The boxes of the images, resized to `size` and then flipped: (N, C, *size)."""
    top, left, long, wide = boxes
    count, channels, height, width = images_NCHW.shape
    rows_NSH = weights(top, long, size[0], height, upside_down_N).to(images_NCHW.dtype)
    columns_NSW = weights(left, wide, size[1], width, mirrored_N).to(images_NCHW.dtype)
    narrowed = images_NCHW.reshape(count, channels * height, width) @ columns_NSW.transpose(1, 2)
    return rows_NSH[:, None] @ narrowed.view(count, channels, height, size[1])


def weights(first_N: Tensor, length_N: Tensor, size: int, side: int, mirrored_N: Tensor) -> Tensor:
    """What each of `side` pixels gives to each of `size`, (N, size, side); rows sum to 1.

    The pixels from `first` on, `length` of them, are spread over `size`: each of these takes those that lie less
    than max(1, length / size) from its centre, the nearer the more.
    """
    step_N1 = (length_N / size)[:, None]
    middles_S = _middles(size, first_N)
    middles_NS = torch.where(mirrored_N[:, None], size - middles_S, middles_S)
    centres_NS1 = torch.addcmul(first_N[:, None], step_N1, middles_NS)[:, :, None]
    pixels_W = _middles(side, first_N)
    inside_NW = ((pixels_W > first_N[:, None]) & (pixels_W < (first_N + length_N)[:, None])).float()
    distances = (pixels_W - centres_NS1).abs_().div_(step_N1.clamp(min=1)[:, :, None])
    triangle = distances.neg_().add_(1).clamp_(min=0).mul_(inside_NW[:, None])
    return triangle.div_(triangle.sum(2, keepdim=True))


def whole(images_NCHW: Tensor) -> Boxes:
    """The boxes that leave nothing out."""
    count, _, height, width = images_NCHW.shape
    nothing = torch.zeros(count, device=images_NCHW.device)
    return nothing, nothing, nothing + height, nothing + width


def flip(images_NCHW: Tensor, upside_down_N: Tensor, mirrored_N: Tensor) -> Tensor:
    """Images upside down, mirrored, or both."""
    images_NCHW = on_rows(lambda images: images.flip(2), images_NCHW, upside_down_N)
    return on_rows(lambda images: images.flip(3), images_NCHW, mirrored_N)


def rotate(images_NCHW: Tensor, degrees_N: Tensor, interpolation: str) -> Tensor:
    """Each image turned about its centre, counter-clockwise, black where it leaves; as `v2.functional.rotate`.

    Between pixels this is `fill=None` of torchvision: its fill of 0 darkens the border a second time.
    """
    height, width = images_NCHW.shape[2:]
    angles = degrees_N * (torch.pi / 180)
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    across_W = _middles(width, degrees_N) - width / 2
    down_H1 = (_middles(height, degrees_N) - height / 2)[:, None]
    grid = torch.stack(
        [(cos * across_W - sin * down_H1) / (width / 2), (sin * across_W + cos * down_H1) / (height / 2)], dim=-1
    )
    return functional.grid_sample(
        images_NCHW,
        grid.to(images_NCHW.dtype),
        mode=interpolation,
        padding_mode="zeros",
        align_corners=False,
    )


def quarter_turns(images_NCHW: Tensor, turns_N: Tensor) -> Tensor:
    """Each image turned so many quarters counter-clockwise (0 to 3); one and three are for squares."""
    for turn in (1, 2, 3):
        square = images_NCHW.shape[2] == images_NCHW.shape[3]
        if turn == 2 or square:
            images_NCHW = on_rows(_turned[turn], images_NCHW, turns_N == turn)
    return images_NCHW


_turned = {
    1: lambda images: images.rot90(1, (2, 3)),
    2: lambda images: images.rot90(2, (2, 3)),
    3: lambda images: images.rot90(3, (2, 3)),
}


def _middles(count: int, like: Tensor) -> Tensor:
    return torch.arange(count, device=like.device, dtype=torch.float32) + 0.5
