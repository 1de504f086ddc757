"""Random crops and mirror images of whole batches, as is customary in training on CIFAR.

Shapes: B images in a batch, C channels, H x W pixels.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from framework.data.vision import Splits
from framework.seeds import torch_numbers, unsigned
from framework.training.batches import Batch, Loader

PADDING = 4  # pixels on each side
STREAM = 2**32  # beyond every seed of the batches' order, whose draws would otherwise be those of the crops


def augmented(loader: Loader, augment: str, black_C: Tensor, seed: int) -> "Loader | FlipCrop":
    """The batches of `loader`, as the config's `augment` says."""
    return FlipCrop(loader, black_C, seed) if augment == "flip_crop" else loader


class FlipCrop:
    """The batches of `loader`, each image moved by up to four pixels each way and mirrored in half of the cases.

    The draws depend on `seed` and on the batches before alone, neither on the device nor on workers.
    """

    def __init__(self, loader: Loader, black_C: Tensor, seed: int) -> None:
        self.loader, self.black = loader, black_C
        self.generator = torch_numbers(unsigned(seed + STREAM))

    def __iter__(self) -> Iterator[Batch]:
        for images, *others in self.loader:
            shifts_2B = torch.randint(2 * PADDING + 1, (2, len(images)), generator=self.generator)
            mirrored_B = torch.rand(len(images), generator=self.generator) < 0.5
            yield [flip_crop(images, self.black, shifts_2B, mirrored_B), *others]

    def __len__(self) -> int:
        return len(self.loader)


def flip_crop(images_BCHW: Tensor, black_C: Tensor, shifts_2B: Tensor, mirrored_B: Tensor) -> Tensor:
    """Each image's own window of what it is with a black frame of four pixels, of its size, mirrored or not.

    `shifts_2B` are the first row and the first column of the window, 0 to 8; 4 is where the image lies.
    """
    count, channels, height, width = images_BCHW.shape
    device = images_BCHW.device
    framed = (count, channels, height + 2 * PADDING, width + 2 * PADDING)
    padded = black_C.to(images_BCHW)[:, None, None].expand(framed).clone()
    padded[:, :, PADDING : PADDING + height, PADDING : PADDING + width] = images_BCHW
    across_W = torch.arange(width)
    columns_BW = torch.where(mirrored_B[:, None], across_W.flip(0), across_W) + shifts_2B[1][:, None]
    rows_BH = torch.arange(height) + shifts_2B[0][:, None]
    return padded[
        torch.arange(count, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[:, None, None],
        rows_BH.to(device)[:, None, :, None],
        columns_BW.to(device)[:, None, None, :],
    ]


def black(splits: Splits) -> Tensor:
    """Black on the scale of the images, (C,)."""
    return -splits.mean / splits.std if splits.normalise == "standard" else torch.zeros_like(splits.mean)
