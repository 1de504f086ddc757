"""Training a network over a table, with the callbacks that every training of the house has.

Shapes: N rows, F features.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Callback, seed_everything

from framework.data.tabular.loading import Part, TableData
from framework.tabular.beginning import Beginning
from framework.tabular.config import MLP, Linear
from framework.tabular.network import TableNetwork, load_network, save_description
from framework.training.batches import Batches, BatchOrder
from framework.training.callbacks.checkpoints import Checkpoints
from framework.training.callbacks.epoch_log import EpochLog
from framework.training.callbacks.keep_optimizer import KeepOptimizer
from framework.training.callbacks.learning_rate import LearningRate
from framework.training.callbacks.losses import Losses
from framework.training.callbacks.patience import Patience
from framework.training.callbacks.timing import Timing
from framework.training.classifier import ClassifierTraining
from framework.training.fitting import fit
from framework.training.optimizer_state import count_on, order_seed
from framework.training.regressor import RegressorTraining
from framework.training.trainer import build_trainer, resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

FOLDER = "model"


def train_network(
    config: Linear | MLP,
    data: TableData,
    seed: int,
    run: "Run",
    device: str,
    begins: Beginning | None = None,
) -> tuple[TableNetwork, int]:
    """Train the network of `config`; the one with the least error on val, and the epoch that it is of, from 1.

    It begins with weights that the seed draws, or with those of `begins`.

    Its way is logged to `run`, a row an epoch: `train/` and `val/cross_entropy` in nats and `val/accuracy`, or
    `train/` and `val/mse` in variances of the target on train. Its files lie in the folder `model` of the run
    (`network.py`). On a CPU equal arguments give equal weights, bit for bit, also where training was left and gone
    on with.

    Raises:
        ConfigError: a device that is not here.
        TrainingDiverged: the loss became NaN or infinite.
    """
    where = resolve_device(device)
    seed = order_seed(seed, config.extra_epochs)
    seed_everything(seed % 2**32, workers=True, verbose=False)
    torch.manual_seed(seed)
    network = TableNetwork(config, len(data.features), len(data.classes))
    done = begins.done if begins else None
    if begins is not None:
        network.load_state_dict(begins.weights)
    folder = run.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    save_description(config, data, folder)
    train = _batches(network, data.train, config.batch_size, seed, where, first=True)
    val = _batches(network, data.val, config.batch_size, None, where)
    module = (ClassifierTraining if data.classes else RegressorTraining)(network, config)
    callbacks, checkpoints = _callbacks(config, run, folder, module.error)
    module.resumed = done.state if done else None
    epochs = done.epochs + config.extra_epochs if done else config.max_epochs
    trainer = build_trainer(max_epochs=epochs, device=where, callbacks=callbacks, options={})
    count_on(trainer, done)
    with run.progress.stage("fit") as stage:
        fit(trainer, module, train, val, stage)
    return load_network(folder, config), checkpoints.best_epoch or epochs


def _callbacks(config: Linear | MLP, run: "Run", folder: Path, error: str) -> tuple[list[Callback], Checkpoints]:
    losses = Losses(error)
    checkpoints = Checkpoints(folder, losses, None)
    stopping = [Patience(losses, config.early_stopping)] if config.early_stopping else []
    measured = [losses, LearningRate(), Timing(run), checkpoints, KeepOptimizer(folder)]
    return [*measured, *stopping, EpochLog(run)], checkpoints


def _batches(
    network: TableNetwork, part: Part, size: int, seed: int | None, device: torch.device, *, first: bool = False
) -> Batches:
    """The rows of a split; `first` takes the scale of the target from them."""
    targets = torch.from_numpy(part.y)
    if not network.num_classes:
        targets = network.standardise(targets) if first else network.standardised(targets)
    features_NF = torch.from_numpy(part.x).float()
    return Batches([features_NF.to(device), targets.to(device)], BatchOrder(len(part), size, seed))
