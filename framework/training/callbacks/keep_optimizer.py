"""The state of the optimiser after the last step, beside the last weights: what further epochs go on from."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.training.optimizer_state import OPTIMIZER, save_optimizer


class KeepOptimizer(Callback):
    """Writes it to `folder`, with the epochs and steps that are done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The last step is done."""
        state = trainer.optimizers[0].state_dict()["state"]
        path = self.folder / f"{OPTIMIZER}.safetensors"
        save_optimizer(state, path, epochs=trainer.current_epoch, steps=trainer.global_step)
