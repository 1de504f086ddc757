"""A rank's share of every batch. All ranks draw the same batches; of each one a rank keeps its own rows.

So batches, their order and what is drawn for them do not depend on how many ranks there are. A batch of B images
is cut into pieces that differ by one image at most. A rank that gets none (B is smaller than the number of ranks)
computes on the first image, so that it takes part in what all do together, and counts for nothing.

Indexing a batch is cheap beside training on it: the images lie in memory. What needs that is done by each rank for
the whole batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from framework.training.batches import Batch
from framework.training.ranks import world


class Share(NamedTuple):
    """Rows `start` to `stop` of a batch of `total` images."""

    start: int
    stop: int
    total: int

    @property
    def images(self) -> int:
        """How many images it has."""
        return self.stop - self.start

    @property
    def weight(self) -> float:
        """What a mean over the share is multiplied by, so that the mean over the ranks is that over the batch."""
        return self.images * world.size() / self.total

    @property
    def rows(self) -> slice:
        """The rows that are computed on: one that counts for nothing, where the share is empty."""
        return slice(self.start, self.stop) if self.images else slice(0, 1)


class _Now:
    """The share of the batch that this process is at; None where it has whole batches."""

    share: Share | None = None


def share_of(total: int, rank: int, size: int) -> Share:
    """The share that a rank of `size` has of a batch of `total` images."""
    return Share(rank * total // size, (rank + 1) * total // size, total)


def now() -> Share | None:
    """The share of the batch that this process is at; None where it has whole batches."""
    return _Now.share


def counts() -> bool:
    """Whether what is measured on the batch that this process is at counts."""
    return _Now.share is None or _Now.share.images > 0


def forget() -> None:
    """This process has whole batches again."""
    _Now.share = None


class Shares:
    """This rank's share of each batch of `loader`, which must hand out one batch at a time."""

    def __init__(self, loader: Iterable[Batch]) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            _Now.share = share_of(len(batch[0]), world.rank(), world.size())
            yield [tensor[_Now.share.rows] for tensor in batch]

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]


def normal_like(values_BD: Tensor) -> Tensor:
    """Draws from N(0, 1), (B, …): of a share, those rows of what is drawn for the whole batch."""
    share = now()
    if share is None:
        return torch.randn_like(values_BD)
    return torch.randn_like(_whole(values_BD, share))[share.rows]


def kept_like(values_B: Tensor, probability: float) -> Tensor:
    """Ones with this probability, else zeros, (B, …): of a share, its rows of what is drawn for the batch."""
    share = now()
    if share is None:
        return torch.empty_like(values_B).bernoulli_(probability)
    return torch.empty_like(_whole(values_B, share)).bernoulli_(probability)[share.rows]


def _whole(values_B: Tensor, share: Share) -> Tensor:
    """Room for a batch, laid out in memory like that of its share: numbers are drawn in the order of memory."""
    rest: Sequence[int] = values_B.shape[1:]
    room = values_B.new_empty((share.total, *rest))
    last = values_B.ndim == 4 and values_B.is_contiguous(memory_format=torch.channels_last)
    return room.to(memory_format=torch.channels_last) if last and not values_B.is_contiguous() else room
