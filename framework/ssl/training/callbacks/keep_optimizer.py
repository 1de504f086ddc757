"""The state of the optimiser after the last step, beside the last weights: what further epochs go on from."""

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning import Callback, Trainer

from framework.ssl.training.artifact import save_optimizer


class KeepOptimizer(Callback):
    """Writes it to `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_fit_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        """The last step is done."""
        save_optimizer(trainer.optimizers[0], self.folder)
