"""Epochs: every sample once, in proportion."""

import pytest
import torch

from framework.errors import ConfigError
from framework.multitask.config import TasksConfig
from framework.multitask.training.batching import check_batches, custom, function_of, proportional, stochastic
from framework.multitask.training.config import Custom

COUNTS = {"task_0": 256, "task_1": 512}


def generators(count: int = 2) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def seen(epoch, task: str) -> list[int]:
    return sorted(torch.cat([batch[task] for batch in epoch]).tolist())


def test_a_batch_has_of_every_task_its_share():
    epoch = proportional(COUNTS, 64, generators())
    assert len(epoch) == 12
    sizes = [(len(batch["task_0"]), len(batch["task_1"])) for batch in epoch]
    assert all(first in (21, 22) and second in (42, 43) for first, second in sizes), "256 to 512 is 1 to 2"
    assert all(abs(first + second - 64) <= 1 for first, second in sizes)
    for task, count in COUNTS.items():
        assert seen(epoch, task) == list(range(count)), "every sample once"


@pytest.mark.parametrize("batch_size", [1, 5, 7, 64, 5000])
def test_every_sample_comes_once_whatever_the_batch(batch_size: int):
    counts = {"a": 30, "b": 30, "c": 31}
    for epoch in (
        proportional(counts, batch_size, generators(3)),
        stochastic(counts, batch_size, generators()[0]),
    ):
        assert {task: seen(epoch, task) for task in counts} == {t: list(range(n)) for t, n in counts.items()}
        if batch_size > 1:
            assert len(epoch) == -(-91 // batch_size)


def test_orders_differ_from_epoch_to_epoch_and_not_with_the_company():
    both = generators()
    first, second = (torch.cat([b["task_0"] for b in proportional(COUNTS, 64, both)]) for _ in range(2))
    assert not torch.equal(first, second)
    alone = proportional({"task_0": 256}, 64, generators(1))
    assert torch.equal(first, torch.cat([batch["task_0"] for batch in alone]))


def test_stochastic_batches_mix_tasks_as_they_come():
    epoch = stochastic(COUNTS, 64, generators()[0])
    shares = [len(batch["task_0"]) for batch in epoch]
    assert len(set(shares)) > 3
    assert sum(shares) == 256


def whole(counts, batch_size, generator):
    """All samples of all tasks in one batch."""
    return [{task: range(count) for task, count in counts.items()}]


def without_the_last(counts, batch_size, generator):
    return [{task: range(count - 1) for task, count in counts.items()}]


def with_one_too_many(counts, batch_size, generator):
    return [{task: range(count + 1) for task, count in counts.items()}]


def of_another_task(counts, batch_size, generator):
    return [{"task_7": [0]}]


def test_batches_of_ones_own():
    (batch,) = custom(function_of(Custom(function=f"{__name__}:whole")), COUNTS, 64, generators()[0])
    assert len(batch["task_0"]) == 256


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("without_the_last", r"never shows 1 of 256 samples of task_0 \(255\)"),
        ("with_one_too_many", "names samples of task_0 beyond 0 to 255"),
        ("of_another_task", "names task_7, which is no task here; there are: task_0, task_1"),
        ("there_is_none", "cannot be imported"),
    ],
)
def test_batches_that_leave_something_out_are_refused(name: str, told: str):
    batching = {"kind": "custom", "function": f"{__name__}:{name}"}
    config = TasksConfig.parse({"training": {"batching": batching}})
    with pytest.raises(ConfigError, match=told):
        check_batches(config)


def fails(counts, batch_size, generator):
    raise TypeError("takes no arguments")


def fractions(counts, batch_size, generator):
    return [{task: torch.arange(count) + 0.4 for task, count in counts.items()}]


def text(counts, batch_size, generator):
    return "batches"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails", "TypeError: takes no arguments"),
        ("fractions", "positions of the type torch.float"),
        ("text", "gave a str; allowed: a list of mappings"),
    ],
)
def test_what_a_function_gives_is_looked_at(name: str, words: str):
    with pytest.raises(ConfigError, match=words):
        custom(function_of(Custom(function=f"{__name__}:{name}")), COUNTS, 64, generators()[0])
