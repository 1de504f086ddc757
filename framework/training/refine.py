"""Training a finished network further: fine-tuning, and distillation of another network's outputs into it.

    fine_tune   loss = CE(s, label)
    distil      loss = alpha T^2 KL(p_t || p_s) + (1 - alpha) CE(s, label)      p = softmax(logits / T)        (1)

with s the logits of the network and t those of its teacher (Hinton, Vinyals and Dean, "Distilling the knowledge in
a neural network", 2015). All in nats, as means over the images of a batch. T^2 makes up for the gradient of the
divergence, which falls with 1 / T^2. PyTorch's KLDivLoss with its default reduction divides by the number of
classes besides: code that uses it so weighs the teacher by that much less at the same alpha.

Any module that maps images to logits will do. It is copied first: what is given stays as it is, mode, weights and
device, and so does the random state.

Shapes: B images in a batch, N in a split, C channels, H x W pixels, K classes.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from framework.data.vision import ImageSet, Splits
from framework.errors import InvalidInput, Problem, SashikoError
from framework.metrics.classification import cross_entropy_per_image
from framework.models.batch import running
from framework.tracking.progress import Stage
from framework.training.augmentation import augmented, black
from framework.training.batches import Batch, Batches, BatchOrder
from framework.training.callbacks.learning_rate import LearningRate
from framework.training.callbacks.losses import Losses
from framework.training.classifier import ClassifierTraining
from framework.training.evaluation import BATCH, evaluating
from framework.training.fitting import fit
from framework.training.refine_config import Augment, RefineConfig
from framework.training.trainer import CHANNELS_LAST, build_trainer, resolve_device


class Refined(NamedTuple):
    """A network after its best epoch, and a row for each epoch.

    Attributes:
        model: A copy of the network that was given, with the weights of the epoch whose cross-entropy on the val
            split is the least, in eval mode, where the original lies.
        rows: `epoch` (counted from 1), `learning_rate`, `train/cross_entropy` and `val/cross_entropy` in nats,
            `val/accuracy`; of distillation `train/divergence` too, KL(p_t || p_s) in nats at the temperature.
    """

    model: nn.Module
    rows: list[dict[str, float]]


def fine_tune(
    model: nn.Module,
    splits: Splits,
    config: RefineConfig,
    *,
    augment: Augment = "none",
    stage: Stage | None = None,
) -> Refined:
    """`model` trained further on the labels. Parameters that need no gradient stay as they are.

    `augment` is what is done to the images of the train split first, as in `TrainingConfig`. Equal arguments give
    bit-equal weights on the same machine's CPU. With the `stage` of a run it goes on where it was left.

    Raises:
        ConfigError: the device is not there.
        InvalidInput: the module gives no logits, or has no parameter that needs a gradient.
        TrainingDiverged: the loss became NaN or infinite.
    """
    copied = copy.deepcopy(model)
    _refuse("model", copied, splits)
    return _refined(copied, ClassifierTraining(copied, config), splits, config, [], augment, stage)


def distil(
    student: nn.Module, teacher: nn.Module, splits: Splits, config: RefineConfig, *, stage: Stage | None = None
) -> Refined:
    """`student` trained further on the labels and on the logits of `teacher`, by equation (1).

    The teacher's logits are computed once, in eval mode. With the `stage` of a run it goes on where it was left.

    Raises:
        ConfigError, TrainingDiverged: as `fine_tune`.
        InvalidInput: as `fine_tune`, or the two differ in the number of classes.
    """
    copied = copy.deepcopy(student)
    classes = _refuse("student", copied, splits)
    taught = _logits(teacher, splits.train, resolve_device(config.device))
    if taught.shape[1:] != (classes,):
        shape = tuple(taught.shape[1:])
        message = f"gives {shape} for an image; allowed: logits of {classes} classes, as the student gives"
        raise InvalidInput([Problem("teacher", message)])
    return _refined(copied, Distillation(copied, config), splits, config, [taught], stage=stage)


class Distillation(ClassifierTraining):
    """Trains `model` by equation (1) on batches with the teacher's logits (B, K) beside images and labels."""

    config: RefineConfig

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss; `cross_entropy` and `divergence` (B,) of the images in the batch, in train mode."""
        images, labels_B, taught_BK = batch
        logits_BK = self.model(images)
        errors_B = cross_entropy_per_image(logits_BK, labels_B)
        divergence_B = divergence_per_image(taught_BK, logits_BK, self.config.temperature)
        alpha = self.config.alpha
        loss = (alpha * self.config.temperature**2 * divergence_B + (1 - alpha) * errors_B).mean()  # (1)
        return {"loss": loss, "cross_entropy": errors_B.detach(), "divergence": divergence_B.detach()}


def divergence_per_image(teacher_NK: Tensor, student_NK: Tensor, temperature: float) -> Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)) of each image, (N,), in nats; differentiable."""
    log_p_NK, log_q_NK = (F.log_softmax(logits / temperature, dim=1) for logits in (teacher_NK, student_NK))
    return F.kl_div(log_q_NK, log_p_NK, reduction="none", log_target=True).sum(dim=1)


class _Best(Callback):
    """Keeps a row an epoch, and the weights of the best. Must stand after `losses` in the list of callbacks."""

    def __init__(self, losses: Losses, rate: LearningRate) -> None:
        self.losses, self.rate = losses, rate
        self.rows: list[dict[str, float]] = []
        self.least = math.inf
        self.weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: pl.LightningModule) -> None:
        measured = self.rate.epoch_metrics(trainer) | self.losses.epoch_metrics(trainer)
        self.rows.append({"epoch": trainer.current_epoch + 1, **measured})
        val = self.losses.val
        if val is not None and val < self.least:
            state = pl_module.get_submodule("model").state_dict()
            self.least = val
            # Copies: the tensors of a state dict go on changing with the module.
            self.weights = {name: tensor.detach().clone() for name, tensor in state.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "least": self.least, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.least = list(state_dict["rows"]), state_dict["least"]
        self.weights = dict(state_dict["weights"])


def _refined(
    model: nn.Module,
    module: ClassifierTraining,
    splits: Splits,
    config: RefineConfig,
    taught: list[Tensor],
    augment: Augment = "none",
    stage: Stage | None = None,
) -> Refined:
    """Train `model`, which `module` holds; `taught` (N, K) belongs to the images of the train split."""
    device, home = resolve_device(config.device), _device_of(model)
    losses, rate = Losses(module.error), LearningRate()
    best = _Best(losses, rate)
    trainer = build_trainer(max_epochs=config.epochs, device=device, callbacks=[losses, rate, best], options={})
    plain = _batches(splits.train, taught, config.batch_size, config.seed, device)
    train = augmented(plain, augment, black(splits), config.seed)
    val = _batches(splits.val, [], BATCH, None, device)
    if getattr(model, "channels_last", False) and device.type in CHANNELS_LAST:
        model.to(memory_format=torch.channels_last)
    with _seeded(config.seed, device):
        model.train()
        fit(trainer, module, train, val, stage)
    if not best.weights:
        raise SashikoError("no epoch has a finite cross-entropy on the val split: lower learning_rate")
    model.load_state_dict(best.weights)
    # Files of weights take contiguous tensors only.
    model.to(memory_format=torch.contiguous_format)
    return Refined(model.to(home).eval(), best.rows)


def _batches(
    images: ImageSet, further: list[Tensor], batch_size: int, shuffle_seed: int | None, device: torch.device
) -> Batches:
    tensors = [tensor.to(device) for tensor in (images.images, images.labels, *further)]
    return Batches(tensors, BatchOrder(len(images), batch_size, shuffle_seed))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _logits(model: nn.Module, images: ImageSet, device: torch.device) -> Tensor:
    """What `model` gives for all images, on the CPU."""
    copied = copy.deepcopy(model).to(device)
    with evaluating(copied), running(copied, images.images[:BATCH]):
        return torch.cat([copied(piece.to(device)).cpu() for piece in torch.split(images.images, BATCH)])


def _refuse(name: str, model: nn.Module, splits: Splits) -> int:
    """The number of classes whose logits `model` gives."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        message = f"is a {type(model).__name__} without a parameter that needs a gradient"
        raise InvalidInput([Problem(name, message)])
    images = splits.val.images[:2].to(_device_of(model))
    with evaluating(model), running(model, images):
        shape = tuple(model(images).shape)
    if len(shape) != 2 or shape[0] != 2 or shape[1] < splits.num_classes:
        message = (
            f"is a {type(model).__name__} that gives {shape} for 2 images; allowed: logits (2, K) of at "
            f"least {splits.num_classes} classes"
        )
        raise InvalidInput([Problem(name, message)])
    return int(shape[1])


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
