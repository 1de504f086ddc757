"""Pretraining one encoder without labels, from its config to its artifact."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from torch import Tensor

from framework.data.vision import ImageSet, Splits, load_pixels
from framework.errors import ConfigError, Problem
from framework.ssl.distortions.distorter import Distorter
from framework.ssl.distortions.place import Choice, choose_place
from framework.ssl.method import Method
from framework.ssl.registry import build
from framework.ssl.training.artifact import (
    load_encoder,
    save_description,
    take_backbone,
)
from framework.ssl.training.batches import learned_from, train_batches, val_batches
from framework.ssl.training.callbacks.collapse import Collapse
from framework.ssl.training.callbacks.diagnosis import Diagnosis
from framework.ssl.training.callbacks.linear_probe import LinearProbe
from framework.ssl.training.callbacks.neighbours import Neighbours
from framework.ssl.training.callbacks.phases import Phases
from framework.ssl.training.config import FreshEncoder, FromOther, required_by
from framework.ssl.training.module import SelfSupervised
from framework.ssl.training.plain import distorter_of, plain_of
from framework.training.batches import BatchOrder, Loader
from framework.training.callbacks.checkpoints import Checkpoints
from framework.training.callbacks.epoch_log import EpochLog, Measure
from framework.training.callbacks.keep_optimizer import KeepOptimizer
from framework.training.callbacks.learning_rate import LearningRate
from framework.training.callbacks.losses import Losses
from framework.training.callbacks.patience import Patience
from framework.training.callbacks.timing import PeakMemory
from framework.training.fitting import fit
from framework.training.module import build_optimizer
from framework.training.optimizer_state import OPTIMIZER, Done, count_on, load_optimizer, order_seed
from framework.training.ranks import world
from framework.training.trainer import CHANNELS_LAST, build_trainer, check_trainer_options, resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run


def pretrain(config: FreshEncoder, run: "Run", callbacks: Sequence[Callback] = ()) -> None:
    """Train the encoder of `config` without labels, log its way, and log the artifact `encoder` (`artifact.py`).

    Equal configs give bit-equal metrics and weights on the same machine's CPU, also where training was left and
    gone on with. Of labels, those of train and val are looked at to tell how good the features are, and val alone
    chooses the best weights; the test split is not touched. `callbacks` come before the row of an epoch is logged.

    Where this process is one of several ranks, they train one encoder: batches are shared, losses and batch
    normalisation are over all of them; the first one measures and logs.

    Raises:
        ConfigError: a trainer option, device, backbone or precision that cannot be used; ranks that cannot share a
            batch evenly.
        DataUnavailable: the data set is not there, or its images without labels are not.
        WeightsUnavailable: pretrained weights are not there.
        ArtifactError: the encoder that training begins with cannot be had.
        TrainingDiverged: the loss became NaN or infinite, or projections collapsed and `stop_on_collapse` is set.
    """
    device = _device(config)
    splits = load_pixels(config.data)
    # Lightning seeds NumPy too, which takes 32 bits without a sign.
    seed_everything(config.seed % 2**32, workers=True, verbose=False)
    torch.manual_seed(config.seed)
    distorter = distorter_of(config, splits)
    method, done = _first(config, run)
    folder = run.folder / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    images = learned_from(splits, config.unlabeled_fraction, config.data.split_seed)
    save_description(method, config, images, folder)
    images_last = config.channels_last and device.type in CHANNELS_LAST and config.backbone.kind != "mlp"
    if images_last:
        method.to(memory_format=torch.channels_last)
    choice = _choice(config, method, images, distorter, device)
    if config.compile:
        method.backbone.compile()

    module = SelfSupervised(method, config, distorter, channels_last=images_last)
    if done is not None:
        module.resumed, module.steps_before = done.state, done.steps
    neighbours = Neighbours(
        splits, plain_of(config, splits), config.evaluate_every, config.neighbours, config.temperature
    )
    checkpoints = Checkpoints(folder, neighbours, config.checkpoint_every, config.checkpoints_kept)
    trainer = build_trainer(
        max_epochs=done.epochs + config.extra_epochs if done else config.max_epochs,
        device=device,
        callbacks=_callbacks(config, run, method, splits, neighbours, checkpoints, callbacks),
        options={"precision": config.precision, **config.trainer},
    )
    count_on(trainer, done)
    train = _batches(config, images, distorter, choice, trainer, device)
    with run.progress.stage("fit") as stage:
        fit(trainer, module, train, val_batches(splits.val, config.batch_size, device), stage)
    if not world.is_first():
        return
    summary = {
        "knn/val_accuracy_best": 1 - checkpoints.best_val,
        "best_epoch": checkpoints.best_epoch,
        "train_images": len(images),
        "train_digest": images.digest,
        "device": device.type,
        "distortions_place": choice.place,
        "distortions_reason": choice.reason,
    }
    run.summarise(summary)
    run.log_artifact("encoder", config, folder, metadata=summary)


def _device(config: FreshEncoder) -> torch.device:
    """Where to compute, if that and the ranks can do what the config asks for; with all that is wrong."""
    check_trainer_options(config.trainer)
    device = resolve_device(config.device)
    problems = []
    if config.batch_size % world.size():
        message = f"is {config.batch_size}; allowed with {world.size()} ranks: a multiple of their number"
        problems.append(Problem("batch_size", message))
    if config.precision == "16-mixed" and device.type != "cuda":
        message = f"is 16-mixed, which a GPU has, and device is {device.type}; set it to bf16-mixed or 32-true"
        problems.append(Problem("precision", message))
    if problems:
        raise ConfigError(problems)
    return device


def _batches(
    config: FreshEncoder,
    images: ImageSet,
    distorter: Distorter,
    choice: Choice,
    trainer: Trainer,
    device: torch.device,
) -> Loader:
    """The batches to train on; those of added epochs come in another order, and with the views of later epochs."""
    return train_batches(
        images,
        config.batch_size,
        order_seed(config.seed, config.extra_epochs),
        distorter,
        choice.place,
        views_seed=config.seed,
        num_workers=config.num_workers,
        device=device,
        epoch=lambda: trainer.current_epoch,
    )


def _first(config: FreshEncoder, run: "Run") -> tuple[Method, Done | None]:
    """The method before the first step, and what a training has left that goes on."""
    before = required_by(config)
    start = getattr(config, "start", None)
    if config.extra_epochs and before is not None:
        folder = run.require("encoder", before)
        return load_encoder(folder, before, "last").train(), load_optimizer(folder / f"{OPTIMIZER}.safetensors")
    method = build(config.method, config.shape, config.seed, config.backbone)
    if isinstance(start, FromOther):
        other = load_encoder(run.require("encoder", start.encoder), start.encoder, start.which)
        if start.parts == "all":
            method.load_state_dict(other.state_dict())
        else:
            take_backbone(method, other)
    return method.train(), None


def _choice(
    config: FreshEncoder, method: Method, images: ImageSet, distorter: Distorter, device: torch.device
) -> Choice:
    """Where views are made: tried on a copy of the method, so that nothing of it stays."""
    if world.size() > 1:
        return Choice("device", "each rank distorts its own share", {})
    trial: Any = copy.deepcopy(method).to(device)
    optimizer = build_optimizer(trial, config.as_trained, fused=device.type == "cpu")

    def step(views: Tensor) -> None:
        optimizer.zero_grad()
        trial.loss(views).total.backward()
        optimizer.step()
        trial.after_step()

    order = list(BatchOrder(len(images), config.batch_size, config.seed, drop_last=True))
    asked = config.distortions.place
    if asked == "workers" and not config.num_workers:
        message = "is 0, and distortions.place is workers; allowed: 1 or more, or distortions.place=device"
        raise ConfigError([Problem("num_workers", message)])
    with torch.random.fork_rng(devices=[]):
        return choose_place(
            asked, step, images.images, order, distorter, device=device, num_workers=config.num_workers
        )


def _callbacks(
    config: FreshEncoder,
    run: "Run",
    method: Method,
    splits: Splits,
    neighbours: Neighbours,
    checkpoints: Checkpoints,
    others: Sequence[Callback],
) -> list[Callback]:
    """The callbacks in their order, `others` among them; ranks but the first neither write nor log."""
    plain, every = neighbours.plain, config.evaluate_every
    losses = Losses(SelfSupervised.error)
    collapse = Collapse(run, splits, plain, every, stop=config.stop_on_collapse)
    patience = [Patience(neighbours, config.early_stopping)] if config.early_stopping else []
    if not world.is_first():
        rest = [one for one in others if not isinstance(one, Measure)]
        return [losses, LearningRate(), PeakMemory(), neighbours, *patience, collapse, *rest]
    looks: list[Callback] = []
    if config.probe:
        looks.append(LinearProbe(splits, plain, method.num_features, config.seed, every))
    if config.diagnostics_every:
        looks.append(Diagnosis(run, config, splits, config.diagnostics_every))
    measured = [losses, LearningRate(), Phases(run), neighbours, checkpoints, KeepOptimizer(checkpoints.folder)]
    return [*measured, *patience, collapse, *looks, *others, EpochLog(run)]
