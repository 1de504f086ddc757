"""The samples of each task: three splits, noise on train alone.

Shapes: N samples of a task, D outputs of the function. A task's labels have all D columns; `outputs` says which of
them it sees.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from framework.errors import ConfigError, Problem
from framework.multitask.data.config import OUTPUTS, FunctionData, Generator
from framework.multitask.data.functions import evaluate
from framework.multitask.data.points import PLACES, equidistant, middles
from framework.multitask.per_task import value
from framework.seeds import torch_stream

DATA, WEIGHTS, ORDER = range(3)
"""What a seed is used for: each has streams of its own, one for each task."""


@dataclass(frozen=True)
class Split:
    """x (N, 1) and y (N, D)."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class TaskSamples:
    """What one task has: its splits, the outputs that it sees, and the interval that its train split is of."""

    name: str
    train: Split
    val: Split
    test: Split
    outputs: tuple[int, ...]
    low: float
    high: float

    def is_inside(self, x: Tensor) -> Tensor:
        """Whether each x (N, 1) lies where the task is trained, (N,)."""
        return ((x >= self.low) & (x <= self.high))[:, 0]


def num_outputs(config: FunctionData) -> int:
    """D, the outputs of the function, seen or not."""
    return OUTPUTS[config.function]


def samples_of(config: FunctionData, seed: int) -> dict[str, TaskSamples]:
    """The samples of every task, in the order of `config.tasks`.

    `seed` is taken where the config has none of its own. What a task draws does not depend on the other tasks:
    each has a stream that begins with the seed and its place among the tasks.

    Raises:
        ConfigError: samples are infinite or no numbers.
    """
    seed = seed if config.seed is None else config.seed
    return {task: _samples(config, task, place, seed) for place, task in enumerate(config.tasks)}


def _samples(config: FunctionData, task: str, place: int, seed: int) -> TaskSamples:
    generator = torch_stream(seed, DATA, place)
    low, high = value(config.low, task), value(config.high, task)
    ends = value(config.evaluation_low, task), value(config.evaluation_high, task)
    kind: Generator = value(config.generator, task)
    drawn = PLACES[kind](value(config.num_train, task), low, high, generator)
    clean = _split(config.function, drawn)
    noise = torch.randn(clean.y.shape, generator=generator, dtype=torch.float64)
    noisy = clean.y + value(config.noise, task) * noise.to(clean.y.dtype)
    if not bool(torch.isfinite(noisy).all() & torch.isfinite(clean.x).all()):
        told = f"gives {task} samples that are infinite or no numbers; take less noise, or an interval nearer to 0"
        raise ConfigError([Problem("data", told)])
    return TaskSamples(
        name=task,
        train=Split(clean.x, noisy),
        val=_split(config.function, equidistant(value(config.num_val, task), *ends, generator)),
        test=_split(config.function, middles(value(config.num_test, task), *ends)),
        outputs=value(config.outputs, task),
        low=low,
        high=high,
    )


def _split(function: str, x_N: Tensor) -> Split:
    """Computed in double precision, and then what networks take."""
    return Split(x_N[:, None].float(), evaluate(function, x_N).float())
