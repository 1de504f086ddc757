"""What a training goes on from beside its last weights: the state of its optimiser, and how far it has counted.

optimizer.safetensors       a tensor for each parameter and name; its metadata tell the epochs and steps done
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Trainer
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from framework.errors import ArtifactError
from framework.seeds import unsigned

OPTIMIZER = "optimizer"
DONE, EPOCHS, STEPS = "done", "epochs", "steps"
AGAIN = 2**33
"""Beyond every seed of an order of batches: that of added epochs is another."""
State = dict[int, dict[str, Tensor]]
"""By number of the parameter, and name."""


class Done(NamedTuple):
    """What a finished training has left: the state of its optimiser, the epochs and the steps."""

    state: State
    epochs: int
    steps: int


def save_optimizer(states: Mapping[int, Mapping[str, Any]], path: Path, *, epochs: int, steps: int) -> None:
    """Write the state of an optimiser, `optimizer.state_dict()["state"]`. What is no tensor is not kept."""
    tensors = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, values in states.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    # One key: safetensors writes several in an order that is another each time.
    save_file(tensors, path, metadata={DONE: json.dumps({EPOCHS: epochs, STEPS: steps})})


def load_optimizer(path: Path) -> Done:
    """What `save_optimizer` wrote.

    Raises:
        ArtifactError: there is none, or one that tells no epochs.
    """
    if not path.is_file():
        raise ArtifactError(f"{path.parent} holds no {path.name}: train it again from its config")
    found: State = {}
    with safe_open(path, framework="pt") as file:
        told = json.loads((file.metadata() or {}).get(DONE, "{}"))
        for key in file.keys():  # noqa: SIM118 (it is no mapping)
            number, _, name = key.partition(".")
            found.setdefault(int(number), {})[name] = file.get_tensor(key)
    if not {EPOCHS, STEPS} <= told.keys():
        raise ArtifactError(f"{path} does not tell how many epochs are done: train it again from its config")
    return Done(found, int(told[EPOCHS]), int(told[STEPS]))


def order_seed(seed: int, extra_epochs: int) -> int:
    """The seed of the order of batches, and of what else is drawn in training: of added epochs another one."""
    return unsigned(seed + AGAIN) if extra_epochs else seed


def go_on_with(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Give an optimiser the state of another one; its rates stay its own."""
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def count_on(trainer: Trainer, done: Done | None) -> None:
    """Let a trainer that has not begun count epochs and steps on from those that are done."""
    if done is None:
        return
    loop = trainer.fit_loop
    batches, taken = loop.epoch_loop.batch_progress, loop.epoch_loop.automatic_optimization.optim_progress
    for counts in (loop.epoch_progress.total, loop.epoch_progress.current):
        _set(counts, done.epochs)
    for counts in (batches.total, taken.optimizer.step.total):
        _set(counts, done.steps)


def _set(counts: Any, number: int) -> None:
    for name in vars(counts):
        setattr(counts, name, number)
