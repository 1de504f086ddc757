"""Training one autoencoder, from its config to its artifact."""

from typing import TYPE_CHECKING

from pytorch_lightning import Callback, seed_everything

from framework.data.vision import load_splits
from framework.models.registry import build
from framework.training.autoencoder import AutoencoderTraining
from framework.training.batches import batches
from framework.training.callbacks.checkpoints import Checkpoints
from framework.training.callbacks.epoch_log import EpochLog
from framework.training.callbacks.learning_rate import LearningRate
from framework.training.callbacks.losses import Losses
from framework.training.callbacks.reconstructions import Reconstructions
from framework.training.callbacks.timing import Timing
from framework.training.checkpoints import load_model, save_description
from framework.training.config import TrainingConfig
from framework.training.evaluation import evaluate, save_evaluation
from framework.training.trainer import build_trainer, check_trainer_options, resolve_device, silence

if TYPE_CHECKING:
    from framework.tracking.run import Run


def train_autoencoder(config: TrainingConfig, run: "Run") -> None:
    """Train the model of `config`, log its way to `run`, and log the artifact `model` (see `checkpoints.py`).

    Equal configs give bit-equal metrics and weights on the same machine's CPU. The val split alone chooses the
    best weights; the test split is only measured.

    Raises:
        ConfigError: a trainer option or device that cannot be used.
        DataUnavailable: the data set is not there.
        TrainingDiverged: the loss became NaN or infinite.
    """
    check_trainer_options(config.trainer)
    device = resolve_device(config.device)
    splits = load_splits(config.data)
    seed_everything(config.seed, workers=True, verbose=False)
    model = build(config.model, splits.image_shape)
    folder = run.folder / "model"
    folder.mkdir(parents=True, exist_ok=True)
    save_description(model, config, folder)

    losses = Losses()
    checkpoints = Checkpoints(folder, losses, config.checkpoint_every)
    callbacks: list[Callback] = [losses, LearningRate(), Timing(run), checkpoints]
    if config.reconstructions_every:
        callbacks.append(Reconstructions(run, splits, config.reconstructions_every))
    trainer = build_trainer(
        max_epochs=config.max_epochs,
        device=device,
        callbacks=[*callbacks, EpochLog(run)],
        options=config.trainer,
    )
    train = batches(splits.train, config.batch_size, config.seed, config.num_workers, device)
    val = batches(splits.val, config.batch_size, None, config.num_workers, device)
    with silence():
        trainer.fit(AutoencoderTraining(model, config, splits.pixel_scale), train, val)

    evaluation = evaluate(load_model(folder, config, "best"), splits, device)
    save_evaluation(evaluation, folder)
    errors = {f"{split}/mse_best": float(e.double().mean()) for split, e in evaluation.errors.items()}
    summary = {**errors, "best_epoch": checkpoints.best_epoch, "device": device.type}
    run.summarise(summary)
    run.log_artifact("model", config, folder, metadata=summary)
