"""The batches of self-supervised training: whole ones, of images or of views that workers have made.

    place device     images (B, C, H, W) as they are kept, labels (B,)
    place workers    views (B, V, C, S, S), labels (B,)

The views of a batch depend on the seed and on the number of its step alone: number i of epoch e is step e · n + i,
with n batches an epoch. So both places make the same views, and a training that goes on makes those that it would
have made.

Shapes: B images in a batch, V views, C channels, H x W pixels, S pixels of a side of a view.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from framework.data.fractions import nested
from framework.data.vision import ImageSet, Splits
from framework.errors import DataUnavailable
from framework.ssl.distortions.distorter import Distorter
from framework.ssl.distortions.place import Place, views_of
from framework.training.batches import Batch, Batches, BatchOrder, Loader


class MadeBeside:
    """Batches of views that workers make; `epoch` tells which one begins, counted from 0."""

    def __init__(
        self,
        images: ImageSet,
        sampler: BatchOrder,
        distorter: Distorter,
        seed: int,
        num_workers: int,
        epoch: Callable[[], int],
    ) -> None:
        self.images, self.sampler, self.distorter = images, sampler, distorter
        self.seed, self.num_workers, self.epoch = seed, num_workers, epoch

    def __iter__(self) -> Iterator[Batch]:
        first = self.epoch() * len(self.sampler)
        made = views_of(
            self.images.images,
            list(self.sampler),
            self.distorter,
            self.seed,
            place="workers",
            num_workers=self.num_workers,
            first_step=first,
        )
        for views_VBCSS, positions_B, _ in made:
            yield [views_VBCSS.transpose(0, 1), self.images.labels[positions_B]]

    def __len__(self) -> int:
        return len(self.sampler)


def learned_from(splits: Splits, unlabeled_fraction: float, seed: int) -> ImageSet:
    """The train split, and behind it a share of the images without labels, which a seed draws; their label is -1.

    Raises:
        DataUnavailable: these images are not there.
    """
    if not unlabeled_fraction:
        return splits.train
    more = splits.unlabeled
    if more is None:
        message = f"the images of {splits.name} without labels are not in the data folder: add their file"
        raise DataUnavailable(f"{message} (of stl10 unlabeled_X.bin), or learn without them: unlabeled_fraction=0")
    chosen = torch.from_numpy(nested(more.labels.numpy(), unlabeled_fraction, seed))
    names = ("images", "labels", "indices")
    return ImageSet(*(torch.cat([getattr(splits.train, name), getattr(more, name)[chosen]]) for name in names))


def train_batches(
    images: ImageSet,
    batch_size: int,
    seed: int,
    distorter: Distorter,
    place: Place,
    *,
    views_seed: int,
    num_workers: int,
    device: torch.device,
    epoch: Callable[[], int],
) -> Loader:
    """Whole batches of a split, in a new seeded order each epoch."""
    order = BatchOrder(len(images), batch_size, seed, drop_last=True)
    if place == "workers":
        return MadeBeside(images, order, distorter, views_seed, num_workers, epoch)
    return Batches([images.images.to(device), images.labels.to(device)], order)


def val_batches(images: ImageSet, batch_size: int, device: torch.device) -> Batches:
    """Whole batches of a split as it lies; one of all images, where they fill none."""
    order = BatchOrder(len(images), min(batch_size, len(images)), None, drop_last=True)
    return Batches([images.images.to(device), images.labels.to(device)], order)


def is_views(batch: Tensor) -> bool:
    """Whether a batch is of views, and not of images."""
    return batch.ndim == 5
