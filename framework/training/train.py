"""Training one model, from its config to its artifact."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Callback, seed_everything

from framework.data.vision import Splits, load_splits
from framework.metrics.classification import accuracy
from framework.models.autoencoder import Autoencoder
from framework.models.base import Model
from framework.models.classifier import Classifier
from framework.models.config import VAE
from framework.models.registry import build
from framework.models.vae import VariationalAutoencoder
from framework.training.augmentation import augmented, black
from framework.training.autoencoder import AutoencoderTraining
from framework.training.batches import batches
from framework.training.callbacks.checkpoints import Checkpoints
from framework.training.callbacks.epoch_log import EpochLog, Measure
from framework.training.callbacks.keep_optimizer import KeepOptimizer
from framework.training.callbacks.learning_rate import LearningRate
from framework.training.callbacks.losses import Losses
from framework.training.callbacks.patience import Patience
from framework.training.callbacks.reconstructions import Reconstructions
from framework.training.callbacks.timing import PeakMemory, Timing
from framework.training.checkpoints import load_model, save_description
from framework.training.classes import of_classes
from framework.training.classifier import ClassifierTraining
from framework.training.config import FromOther, TrainingConfig
from framework.training.evaluation import Evaluation, evaluate, save_evaluation
from framework.training.fitting import fit
from framework.training.module import Training
from framework.training.optimizer_state import OPTIMIZER, Done, count_on, load_optimizer, order_seed
from framework.training.ranks import world
from framework.training.trainer import (
    CHANNELS_LAST,
    build_trainer,
    check_trainer_options,
    resolve_device,
)
from framework.training.vae import VariationalTraining

if TYPE_CHECKING:
    from framework.tracking.run import Run


def train_model(config: TrainingConfig, run: "Run", callbacks: Sequence[Callback] = ()) -> None:
    """Train the model of `config`, log its way to `run`, and log the artifact `model` (see `checkpoints.py`).

    Equal configs give bit-equal metrics and weights on the same machine's CPU, also where training was left and
    gone on with (`fitting.py`). The val split alone chooses the best weights; the test split is only measured.
    `callbacks` come after the run's own and before the row of the epoch is logged, so that a `Measure` among them
    adds to it.

    Where this process is one of several ranks, they train one model (`framework.training.ranks`), equal to that of
    one process but for rounding. The first rank writes, measures and logs; on the others each `Measure` among the
    callbacks is left out, and there is nothing to do after the last epoch.

    Raises:
        ConfigError: a trainer option, device, class or architecture that cannot be used.
        DataUnavailable: the data set is not there.
        ArtifactError: the training that this one goes on from, or begins with the weights of, cannot be had.
        TrainingDiverged: the loss became NaN or infinite.
    """
    check_trainer_options(config.trainer)
    device = resolve_device(config.device)
    splits = load_splits(config.data)
    train, val = (of_classes(getattr(splits, name), config.classes, name) for name in ("train", "val"))
    seed = order_seed(config.seed, config.extra_epochs)
    # Lightning seeds NumPy too, which takes 32 bits without a sign.
    seed_everything(seed % 2**32, workers=True, verbose=False)
    torch.manual_seed(seed)
    model, done = _first(config, run, splits)
    folder = run.folder / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save_description(model, config, folder)
    if model.channels_last and device.type in CHANNELS_LAST:
        model.to(memory_format=torch.channels_last)

    module = training_of(model, config, splits)
    module.resumed = done.state if done else None
    losses = Losses(module.error)
    checkpoints = Checkpoints(folder, losses, config.checkpoint_every, config.checkpoints_kept)
    trainer = build_trainer(
        max_epochs=done.epochs + config.extra_epochs if done else config.max_epochs,
        device=device,
        callbacks=_callbacks(config, run, model, splits, losses, checkpoints, callbacks),
        options=config.trainer,
    )
    count_on(trainer, done)
    plain_batches = batches(train, config.batch_size, seed, config.num_workers, device)
    train_batches = augmented(plain_batches, config.augment, black(splits), seed)
    val_batches = batches(val, config.batch_size, None, config.num_workers, device)
    with run.progress.stage("fit") as stage:
        fit(trainer, module, train_batches, val_batches, stage)
    if not world.is_first():
        return

    evaluation = evaluate(load_model(folder, config, "best"), splits, device)
    save_evaluation(evaluation, folder)
    summary = {
        **_best(evaluation, splits, module.error),
        "best_epoch": checkpoints.best_epoch,
        "device": device.type,
    }
    run.summarise(summary)
    run.log_artifact("model", config, folder, metadata=summary)


def _first(config: TrainingConfig, run: "Run", splits: Splits) -> tuple[Model, Done | None]:
    """The model before the first step, in train mode, and what a training has left that goes on."""
    if config.extra_epochs:
        before = config.without_extra
        folder = run.require("model", before)
        return load_model(folder, before, "last").train(), load_optimizer(folder / f"{OPTIMIZER}.safetensors")
    model = build(config.model, splits.image_shape, splits.num_classes)
    if isinstance(config.start, FromOther):
        other = config.start.model
        model.load_state_dict(load_model(run.require("model", other), other, config.start.which).state_dict())
    return model, None


def _callbacks(
    config: TrainingConfig,
    run: "Run",
    model: Model,
    splits: Splits,
    losses: Losses,
    checkpoints: Checkpoints,
    others: Sequence[Callback],
) -> list[Callback]:
    """The callbacks in their order, `others` among them; ranks but the first neither write nor log."""
    stopping = [Patience(losses, config.early_stopping)] if config.early_stopping else []
    if not world.is_first():
        rest = [one for one in others if not isinstance(one, Measure)]
        return [losses, LearningRate(), PeakMemory(), *stopping, *rest]
    shown = config.reconstructions_every if isinstance(model, Autoencoder) else None
    pictures = [Reconstructions(run, splits, shown)] if shown else []
    measured = [losses, LearningRate(), Timing(run), checkpoints, KeepOptimizer(checkpoints.folder)]
    return [*measured, *stopping, *pictures, *others, EpochLog(run)]


def training_of(model: Model, config: TrainingConfig, splits: Splits) -> Training:
    """How a model of this type learns."""
    if isinstance(model, VariationalAutoencoder) and isinstance(config.model, VAE):
        return VariationalTraining(model, config, config.model.kl_weight, splits.pixel_scale)
    if isinstance(model, Autoencoder):
        return AutoencoderTraining(model, config, splits.pixel_scale)
    if isinstance(model, Classifier):
        return ClassifierTraining(model, config)
    raise TypeError(f"{type(model).__name__} is neither an Autoencoder nor a Classifier")


def _best(evaluation: Evaluation, splits: Splits, error: str) -> dict[str, float]:
    """The mean error of the best weights on each split, and of classifiers the accuracy."""
    best = {f"{split}/{error}_best": float(e.double().mean()) for split, e in evaluation.errors.items()}
    for split, predictions in evaluation.predictions.items():
        best[f"{split}/accuracy_best"] = accuracy(predictions, getattr(splits, split).labels)
    return best
