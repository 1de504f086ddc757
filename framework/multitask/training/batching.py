"""The batches of an epoch: which samples of each task stand in each. Knows positions, no samples.

An epoch is a list of batches; a batch has, of each task, the positions (B_t,) of its samples.

proportional   with N samples of all tasks and batches of B there are S = ceil(N / B) of them; a task's random
               order is cut into S parts whose sizes differ by one at most. Each sample comes once. (Loaders that
               run side by side, and begin the shorter one again, would show some samples twice.)
stochastic     one random order of all samples, cut after each B of them. Each sample comes once.
custom         as a function says, checked: each sample comes at least once.

Each task draws its order from a stream of its own, so that it does not depend on which tasks stand beside it.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from framework.errors import ConfigError, Problem
from framework.multitask.config import TasksConfig
from framework.multitask.per_task import value
from framework.multitask.training.config import Batching, Custom

Positions = Mapping[str, Tensor]
Epoch = list[Positions]
CustomBatches = Callable[[Mapping[str, int], int, torch.Generator], Sequence[Mapping[str, Sequence[int] | Tensor]]]
KEY = "training.batching.function"


def epoch_of(
    batching: Batching, counts: Mapping[str, int], batch_size: int, generators: Sequence[torch.Generator]
) -> Epoch:
    """One epoch; `counts` are the samples by task, `generators` has one for each task, in their order.

    Raises:
        ConfigError: a custom function that cannot be found, or that leaves out a sample or names one there is not.
    """
    if batching.kind == "proportional":
        return proportional(counts, batch_size, generators)
    if batching.kind == "stochastic":
        return stochastic(counts, batch_size, generators[0])
    return custom(function_of(batching), counts, batch_size, generators[0])


def proportional(counts: Mapping[str, int], batch_size: int, generators: Sequence[torch.Generator]) -> Epoch:
    """Each batch has of every task its share."""
    steps = -(-sum(counts.values()) // batch_size)
    parts = {
        task: torch.tensor_split(torch.randperm(count, generator=generator), steps)
        for (task, count), generator in zip(counts.items(), generators, strict=True)
    }
    return [{task: split[step] for task, split in parts.items()} for step in range(steps)]


def stochastic(counts: Mapping[str, int], batch_size: int, generator: torch.Generator) -> Epoch:
    """Samples of all tasks in one order."""
    owner = torch.cat([torch.full((count,), place) for place, count in enumerate(counts.values())])
    place = torch.cat([torch.arange(count) for count in counts.values()])
    order = torch.randperm(len(owner), generator=generator)
    return [
        {task: place[chosen[owner[chosen] == number]] for number, task in enumerate(counts)}
        for chosen in torch.split(order, batch_size)
    ]


def custom(
    function: CustomBatches, counts: Mapping[str, int], batch_size: int, generator: torch.Generator
) -> Epoch:
    """Batches of a function of somebody's own, checked.

    Raises:
        ConfigError: it leaves out a sample, or names a sample or task that there is not.
    """
    epoch: Epoch = [
        {task: _positions(batch.get(task, ())) for task in counts}
        for batch in _known(_asked(function, counts, batch_size, generator), counts)
    ]
    problems = []
    for task, count in counts.items():
        shown = torch.cat([batch[task] for batch in epoch]) if epoch else torch.empty(0, dtype=torch.long)
        if len(shown) and (int(shown.min()) < 0 or int(shown.max()) >= count):
            problems.append(Problem(KEY, f"names samples of {task} beyond 0 to {count - 1}"))
            continue
        never = sorted(set(range(count)) - set(shown.tolist()))
        if never:
            some = ", ".join(map(str, never[:5])) + (", …" if len(never) > 5 else "")
            told = f"never shows {len(never)} of {count} samples of {task} ({some})"
            problems.append(Problem(KEY, f"{told}; every sample has to come at least once an epoch"))
    if problems:
        raise ConfigError(problems)
    return epoch


def _asked(
    function: CustomBatches, counts: Mapping[str, int], batch_size: int, generator: torch.Generator
) -> Sequence[Mapping[str, Sequence[int] | Tensor]]:
    try:
        found = function(dict(counts), batch_size, generator)
    except Exception as error:  # whatever it is, it is the function's
        told = f"failed when it was called with (counts, batch_size, generator): {type(error).__name__}: {error}"
        raise ConfigError([Problem(KEY, told)]) from error
    batches = list(found) if isinstance(found, Sequence) else []
    if not batches or not all(isinstance(batch, Mapping) for batch in batches):
        told = f"gave a {type(found).__name__}; allowed: a list of mappings from a task to positions, one a batch"
        raise ConfigError([Problem(KEY, told)])
    return batches


def _positions(given: Sequence[int] | Tensor) -> Tensor:
    found = torch.as_tensor(given)
    if len(found) and (found.is_floating_point() or found.dtype == torch.bool):
        raise ConfigError([Problem(KEY, f"gave positions of the type {found.dtype}; allowed: whole numbers")])
    return found.long()


def _known(
    batches: Sequence[Mapping[str, Sequence[int] | Tensor]], counts: Mapping[str, int]
) -> Sequence[Mapping[str, Sequence[int] | Tensor]]:
    unknown = sorted({task for batch in batches for task in batch} - set(counts))
    if unknown:
        told = f"names {', '.join(unknown)}, which is no task here; there are: {', '.join(counts)}"
        raise ConfigError([Problem(KEY, told)])
    return batches


def function_of(batching: Custom) -> CustomBatches:
    """The function that a config names.

    Raises:
        ConfigError: there is none of that name.
    """
    module, _, name = batching.function.partition(":")
    try:
        found: CustomBatches = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        told = f"is {batching.function!r}, which cannot be imported: {error}"
        raise ConfigError([Problem(KEY, told)]) from error
    return found


def check_batches(config: TasksConfig) -> None:
    """Refuse a function of somebody's own that leaves out a sample.

    Raises:
        ConfigError: it does, or cannot be found.
    """
    batching = config.training.batching
    if batching.kind != "custom":
        return
    for group in config.groups:
        counts = {task: value(config.data.num_train, task) for task in group}
        custom(function_of(batching), counts, config.training.batch_size, torch.Generator().manual_seed(0))
