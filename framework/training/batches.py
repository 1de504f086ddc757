"""Batches of images that lie in memory. A whole batch is one indexing operation; nothing is collated by sample.

Shapes: B images in a batch.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from framework.data.vision import ImageSet
from framework.seeds import torch_numbers

Batch = list[Tensor]  # images (B, C, H, W), labels (B,), and what else belongs to an image


class BatchOrder(Sampler[Tensor]):
    """Positions of each batch, (B,), over all samples once per epoch; a new seeded order an epoch, or none.

    In training no batch has a single sample, which batch normalisation refuses: the one before takes it. With
    `drop_last` there are whole batches alone.
    """

    def __init__(self, length: int, batch_size: int, shuffle_seed: int | None, *, drop_last: bool = False) -> None:
        self.length, self.batch_size, self.drop_last = length, batch_size, drop_last
        self.generator = None if shuffle_seed is None else torch_numbers(shuffle_seed)

    def __iter__(self) -> Iterator[Tensor]:
        if self.generator is None:
            order = torch.arange(self.length)
        else:
            order = torch.randperm(self.length, generator=self.generator)
        # A generator function: a DataLoader asks for an iterator that it throws away, which must draw no order.
        if self.drop_last:
            yield from torch.split(order[: len(self) * self.batch_size], self.batch_size) if len(self) else ()
            return
        full = len(self) - 1
        yield from torch.split(order[: full * self.batch_size], self.batch_size) if full else ()
        yield order[full * self.batch_size :]

    def __len__(self) -> int:
        if self.drop_last:
            return self.length // self.batch_size
        one_left = self.generator is not None and self.length % self.batch_size == 1 and self.length > 1
        return math.ceil(self.length / self.batch_size) - one_left


class Batches:
    """An iterable of batches that are indexed in this process; the tensors stay on the device they are on.

    Each batch has the same rows of every tensor: images, labels, and what else belongs to an image.
    """

    def __init__(self, tensors: Sequence[Tensor], order: BatchOrder) -> None:
        self.tensors, self.order = tuple(tensors), order

    def __iter__(self) -> Iterator[Batch]:
        for positions in self.order:
            chosen = positions.to(self.tensors[0].device)
            yield [tensor[chosen] for tensor in self.tensors]

    def __len__(self) -> int:
        return len(self.order)


class _Indexed(Dataset[Batch]):
    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __getitem__(self, positions: Tensor) -> Batch:
        return [self.images.images[positions], self.images.labels[positions]]


class Ordered(Protocol):
    """Batches that are made elsewhere, of positions that `sampler` draws."""

    sampler: BatchOrder

    def __iter__(self) -> Iterator[Batch]:
        """The batches of an epoch."""

    def __len__(self) -> int:
        """How many they are."""


@runtime_checkable
class Drawn(Protocol):
    """Batches of any kind that say which generators they draw from."""

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """All of them."""

    def __iter__(self) -> Iterator[Any]:
        """The batches of an epoch."""

    def __len__(self) -> int:
        """How many they are."""


Loader = Batches | DataLoader[Batch] | Ordered


def batches(
    images: ImageSet, batch_size: int, shuffle_seed: int | None, num_workers: int, device: torch.device
) -> Loader:
    """Batches in an order that depends on `shuffle_seed` alone (None: as they lie), not on `num_workers`."""
    order = BatchOrder(len(images), batch_size, shuffle_seed)
    if num_workers:
        # With a generator of its own it leaves alone the one that dropout draws from.
        return DataLoader(
            _Indexed(images),
            sampler=order,
            batch_size=None,
            num_workers=num_workers,
            generator=torch_numbers(shuffle_seed or 0),
        )
    return Batches([images.images.to(device), images.labels.to(device)], order)


class Resumable:
    """The batches of `loader`, which go on where they were left.

    Its state is that of the generators that `loader` draws from, as it was when the epoch began, and how many
    batches of the epoch were handed out. To go on, the epoch is drawn anew and so many batches are passed over.
    """

    def __init__(self, loader: "Iterable[Any] | Loader", generators: Sequence[torch.Generator]) -> None:
        self.loader, self.generators = loader, tuple(generators)
        self._began: list[Tensor] | None = None
        self._given = self._passed_over = 0

    def __iter__(self) -> Iterator[Batch]:
        passed_over, self._passed_over = self._passed_over, 0
        self._began, self._given = self._states(), 0
        for batch in self.loader:
            self._given += 1
            if self._given > passed_over:
                yield batch

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def begin_epoch(self) -> None:
        """An epoch begins, whether the one before was seen to its end or not."""
        if not self._passed_over:
            self._began, self._given = None, 0

    def state_dict(self) -> dict[str, Any]:
        """Where they are."""
        began = self._states() if self._began is None else self._began
        return {"generators": list(began), "batches": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there, from the next iteration on."""
        for generator, drawn in zip(self.generators, state["generators"], strict=True):
            generator.set_state(drawn)
        self._passed_over = int(state["batches"])

    def _states(self) -> list[Tensor]:
        return [generator.get_state() for generator in self.generators]
