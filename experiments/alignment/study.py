"""The work of one alignment run: train the model, with the callback that maps it to the reference."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pytorch_lightning import Callback

from experiments.alignment.config import FUSION_INPUTS, AlignmentConfig
from framework.config import Config
from framework.data.sampling import STRATEGIES, Candidates
from framework.data.vision import Splits, load_splits
from framework.errors import ConfigError, Problem
from framework.mappings.methods import METHODS
from framework.models.base import Model
from framework.models.classifier import Classifier
from framework.training.callbacks.reference_fusion import ReferenceFusion
from framework.training.callbacks.reference_mapping import ReferenceMapping
from framework.training.checkpoints import load_model
from framework.training.train import train_model

if TYPE_CHECKING:
    from framework.tracking.run import Run


def alignment_study(config: AlignmentConfig, run: "Run") -> None:
    """Train `config.model`, and log its mappings to the reference beside its losses; the artifact `mapping`.

    Raises:
        ConfigError: more anchors are asked for than a class has images.
        DataUnavailable: the data set is not there.
        TrainingDiverged: the loss became NaN or infinite.
        ArtifactError: the reference cannot be had.
        ConfigError: models are to be fused that are no classifiers.
    """
    reference = load_model(run.require("model", config.reference), config.reference)
    splits = load_splits(config.model.data)
    candidates = Candidates(splits.train.labels.numpy())
    anchors = STRATEGIES["equally"](candidates, config.num_samples, config.sampling_seed)
    (ridge,) = config.mapping.ridge_values

    def log_mappings(folder: Path) -> None:
        run.log_artifact("mapping", config, folder)

    following = ReferenceMapping(
        run,
        reference,
        splits,
        torch.from_numpy(anchors),
        METHODS[config.mapping.kind](ridge=ridge, **config.mapping.options()),
        config.every_epochs,
        log_mappings,
    )
    callbacks: list[Callback] = [following]
    if config.fusion is not None:
        callbacks.append(_fusing(config, config.fusion, run, reference, splits))
    train_model(config.model, run, callbacks=callbacks)
    if following.rows:  # of several processes that train one model, the first one measures
        last = following.rows[-1]
        run.summarise({f"mapping/{name}_last": value for name, value in last.items() if name != "epoch"})


def _fusing(
    config: AlignmentConfig, method: Config, run: "Run", reference: Model, splits: Splits
) -> ReferenceFusion:
    if not isinstance(reference, Classifier):
        message = f"fuses classifiers, and reference.model.kind is {config.reference.model.kind}"
        raise ConfigError([Problem("fusion", message)])

    def log_fused(folder: Path) -> None:
        run.log_artifact("fused", config, folder)

    images, labels = splits.train.images[:FUSION_INPUTS], splits.train.labels[:FUSION_INPUTS]
    return ReferenceFusion(run, reference, splits, method, images, labels, log_fused, config.every_epochs)
