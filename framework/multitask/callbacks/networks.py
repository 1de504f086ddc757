"""What is learnt as files, in the folder `networks` of each member.

<first task>.safetensors            the weights of a network
optimizer/<first task>.safetensors  the state of its optimiser after the last epoch, for `extra_epochs`
optimizer/<first task>.json         what balancing has learnt, where it learns
"""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer
from safetensors.torch import save_file

from framework.multitask.training.beginning import save_done
from framework.multitask.training.module import TaskTraining

FOLDER = "networks"


class NetworkFiles(Callback):
    """Writes them when training is over; of a member that has diverged, too."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """`folders`: of each member."""
        self._folders = tuple(folders)

    def on_train_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """Write them."""
        if not isinstance(pl_module, TaskTraining):
            raise TypeError(f"NetworkFiles follows a TaskTraining, not a {type(pl_module).__name__}")
        optimizers = trainer.optimizers
        for number, folder in enumerate(self._folders):
            (folder / FOLDER).mkdir(exist_ok=True)
            for learner, optimizer in zip(pl_module.all_learners, optimizers, strict=True):
                path = folder / FOLDER / f"{learner.names[0]}.safetensors"
                save_file(learner.members.state_of(number), str(path))
                save_done(learner, optimizer, number, folder / FOLDER, trainer)
