"""Making a fine-tuned model: the artifact `fine_tuned`, which reads like that of a trained model."""

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.merging.scenarios import FineTuned
from framework.data.vision import Splits, load_splits
from framework.training.checkpoints import load_model, save_checkpoint, save_description
from framework.training.classes import of_classes
from framework.training.label_noise import with_label_noise
from framework.training.refine import fine_tune

if TYPE_CHECKING:
    from framework.tracking.run import Run


def make_fine_tuned(config: FineTuned, run: "Run") -> None:
    """Fine-tune the base, log a row an epoch, and log the artifact: model.json and best.safetensors.

    The weights are those of the epoch with the least cross-entropy on the val images of the model's own classes.

    Raises:
        ArtifactError: the base cannot be had.
        ConfigError: a class or a device that is not there.
        TrainingDiverged: the loss became NaN or infinite.
    """
    base = load_model(run.require("model", config.base), config.base)
    images = seen(config, load_splits(config.base.data))
    with run.progress.stage("fit") as stage:
        refined = fine_tune(base, images, config.refine, augment=config.augment, stage=stage)
    for row in refined.rows:
        run.log(row)
    folder = run.folder / "fine_tuned"
    folder.mkdir(parents=True, exist_ok=True)
    save_description(base, config.base, folder)
    save_checkpoint(refined.model, folder, "best")
    best = min(refined.rows, key=lambda row: row["val/cross_entropy"])
    summary = {"best_epoch": best["epoch"], "val/accuracy_best": best["val/accuracy"]}
    run.summarise(summary)
    run.log_artifact("fine_tuned", config, folder, metadata=summary)


def seen(config: FineTuned, splits: Splits) -> Splits:
    """What a model is fine-tuned on: train and val images of its classes, with wrong labels in train."""
    train, val = (of_classes(getattr(splits, name), config.classes, name) for name in ("train", "val"))
    return replace(splits, train=with_label_noise(train, config.label_noise, config.seed), val=val)
