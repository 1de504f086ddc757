"""The train samples of all members in memory, and the batches of an epoch made of them.

Shapes: K members, N samples of all tasks of a learner, B samples of a batch.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from framework.errors import ConfigError, Problem
from framework.multitask.data.samples import ORDER, TaskSamples
from framework.multitask.training.batching import KEY, Epoch, epoch_of
from framework.multitask.training.config import Learning
from framework.multitask.training.learner import Batch
from framework.seeds import torch_stream


class LearnerBatches:
    """The batches of one learner; each member has samples and orders of its own.

    A generator a task and member says in which order samples come: a stream of the member's seed and of the
    task's place among all tasks.
    """

    def __init__(
        self,
        samples: Sequence[Sequence[TaskSamples]],
        places: Sequence[int],
        learning: Learning,
        seeds: Sequence[int],
    ) -> None:
        """`samples`: of each member, those of each task; `places`: of the tasks among all of the data's."""
        self._learning = learning
        self.counts = {task.name: len(task.train) for task in samples[0]}
        self._x_KNI = torch.stack([torch.cat([task.train.x for task in own]) for own in samples])
        self._y_KND = torch.stack([torch.cat([task.train.y for task in own]) for own in samples])
        sizes = list(self.counts.values())
        self._tasks_N = torch.cat([torch.full((size,), place) for place, size in enumerate(sizes)])
        self._begins = dict(zip(self.counts, itertools.accumulate([0, *sizes]), strict=False))
        self.generators = [[torch_stream(seed, ORDER, place) for place in places] for seed in seeds]
        self._members_K1 = torch.arange(len(seeds))[:, None]
        self._count = 0

    def __len__(self) -> int:
        if self._learning.batching.kind == "custom":
            return len(self._epoch(_copies(self.generators[0])))
        return math.ceil(len(self._tasks_N) / self._learning.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epochs = [self._epoch(generators) for generators in self.generators]
        self._check_count(len(epochs[0]))
        sizes = [sum(map(len, batch.values())) for batch in epochs[0]]
        at = self._members_K1, torch.stack([self._in_order(epoch) for epoch in epochs])
        shuffled = self._x_KNI[at], self._y_KND[at], self._tasks_N[at[1]]
        parts = (torch.split(values, sizes, dim=1) for values in shuffled)
        yield from map(Batch, *parts)

    def _check_count(self, count: int) -> None:
        """Refuse an epoch of another number of batches than the first: what is beyond that would never be shown.

        Raises:
            ConfigError: it has another one.
        """
        self._count = self._count or count
        if count != self._count:
            told = f"gave {self._count} batches in the first epoch and {count} in a later one"
            raise ConfigError([Problem(KEY, f"{told}; every epoch has to have as many")])

    def _in_order(self, epoch: Epoch) -> Tensor:
        """The positions of an epoch's samples, batch by batch, and in each task by task."""
        return torch.cat([batch[task] + begin for batch in epoch for task, begin in self._begins.items()])

    def _epoch(self, generators: Sequence[torch.Generator]) -> Epoch:
        return epoch_of(self._learning.batching, self.counts, self._learning.batch_size, generators)


class TaskBatches:
    """The batches of all learners side by side; one that has fewer waits for the others at the end of an epoch."""

    def __init__(self, learners: Sequence[LearnerBatches]) -> None:
        self._learners = tuple(learners)

    @property
    def generators(self) -> list[torch.Generator]:
        """All generators, of the first member first."""
        members = zip(*(learner.generators for learner in self._learners), strict=True)
        return [generator for member in members for own in member for generator in own]

    def __len__(self) -> int:
        return max(map(len, self._learners))

    def __iter__(self) -> Iterator[list[Batch | None]]:
        iterators = [iter(learner) for learner in self._learners]
        for _ in range(len(self)):
            yield [next(iterator, None) for iterator in iterators]


def _copies(generators: Sequence[torch.Generator]) -> list[torch.Generator]:
    """Generators that go on from the same states, so that those stay where they are."""
    copies = []
    for generator in generators:
        copies.append(torch.Generator())
        copies[-1].set_state(generator.get_state())
    return copies
