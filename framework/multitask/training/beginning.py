"""What networks of several tasks begin with, where it is what another training has left.

Beside the weights of the artifact `networks` lie, for each network, the state of its optimiser and what balancing
has learnt, as JSON: tensors of a few numbers, which doubles hold exactly.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from framework.errors import ArtifactError
from framework.multitask.training import states
from framework.multitask.training.learner import Learner
from framework.training.optimizer_state import OPTIMIZER, Done, load_optimizer, save_optimizer

Weights = dict[str, Tensor]
LEARNS = ("uncertainty", "famo", "nash_mtl")
"""The kinds of balancing that learn something of their own."""


class Beginning(NamedTuple):
    """By the first task of each network: its weights; and, where that training goes on, what it has left."""

    weights: dict[str, Weights]
    done: dict[str, tuple[Done, dict[str, Any]]] | None

    @property
    def counted(self) -> Done | None:
        """The epochs and steps that are done; None of a training that begins."""
        return None if self.done is None else next(iter(self.done.values()))[0]


def save_done(
    learner: Learner, optimizer: torch.optim.Optimizer, member: int, folder: Path, trainer: Trainer
) -> None:
    """Write what one member of a learner goes on from."""
    folder = folder / OPTIMIZER
    folder.mkdir(exist_ok=True)
    name = learner.names[0]
    state = states.of_optimizer(optimizer.state_dict(), member)["state"]
    steps = trainer.fit_loop.total_batch_idx + 1
    save_optimizer(state, folder / f"{name}.safetensors", epochs=trainer.current_epoch, steps=steps)
    balancing = learner.state()
    if balancing:
        (folder / f"{name}.json").write_text(json.dumps(_plain(balancing)) + "\n", encoding="utf-8")


def load_done(folder: Path, names: Sequence[str], *, learns: bool) -> dict[str, tuple[Done, dict[str, Any]]]:
    """What was written, by name of the first task; `learns`: whether balancing has something of its own.

    Raises:
        ArtifactError: a file is missing.
    """
    found: dict[str, tuple[Done, dict[str, Any]]] = {}
    for name in names:
        done = load_optimizer(folder / OPTIMIZER / f"{name}.safetensors")
        path = folder / OPTIMIZER / f"{name}.json"
        if learns and not path.is_file():
            raise ArtifactError(f"{path.parent} holds no {path.name}: train it again from its config")
        told = _told(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
        found[name] = done, told
    return found


def _plain(value: Any) -> Any:
    """As JSON has it; keys that are numbers, and tensors, stay what they are."""
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, dict):
        return {"items": [[key, _plain(one)] for key, one in value.items()]}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return torch.tensor(value["tensor"], dtype=getattr(torch, value["dtype"]))
    return {key: _told(one) for key, one in value["items"]}
