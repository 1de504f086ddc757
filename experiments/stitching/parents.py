"""The two models of a stitching run: trained once, encoded once, and fetched by their configs.

Shapes: N images, D latent dimensions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.stitching.config import LatentsConfig
from framework.data.vision import load_splits
from framework.models.base import Model
from framework.models.split import split
from framework.training.checkpoints import load_model
from framework.training.config import TrainingConfig
from framework.training.evaluation import Evaluation, evaluate, load_evaluation, save_evaluation
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run


@dataclass(frozen=True)
class Parent:
    """A trained model, cut at the layer that is stitched, with what it makes of every image of its data."""

    name: str
    config: TrainingConfig
    layer: str | None
    model: Model
    evaluation: Evaluation


def load_parent(config: TrainingConfig, layer: str | None, run: "Run") -> Parent:
    """The trained model of `config`, with the weights that were best on val, and its latents at `layer`.

    Raises:
        ArtifactError: the model or its latents cannot be had.
        InvalidInput: the model has no such layer, or other values pass it by.
    """
    folder = run.require("model", config)
    model = load_model(folder, config)
    evaluation_folder = folder
    if layer is not None:
        model = split(model, layer, model.input_shape)
        evaluation_folder = run.require("latents", LatentsConfig(model=config, layer=layer))
    return Parent(
        model_name(config, model.latent_dim, layer), config, layer, model, load_evaluation(evaluation_folder)
    )


def make_latents(config: LatentsConfig, run: "Run") -> None:
    """Encode and decode every image at a hidden layer of a trained model; logs the artifact `latents`.

    Raises:
        ArtifactError: the model cannot be had.
        InvalidInput: the model has no such layer, or other values pass it by.
    """
    model = load_model(run.require("model", config.model), config.model)
    cut = split(model, config.layer, model.input_shape)
    evaluation = evaluate(cut, load_splits(config.model.data), resolve_device(config.device))
    folder = run.folder / "latents"
    folder.mkdir()
    save_evaluation(evaluation, folder)
    run.log_artifact("latents", config, folder, metadata={"latent_dim": cut.latent_dim})


def model_name(config: TrainingConfig, latent_dim: int, layer: str | None = None) -> str:
    """A model in tables and figures: data set, kind, latent size, seed, and the classes and layer where given.

    It is for people; the identity of a model is its `config_id`.
    """
    classes = "" if config.classes is None else "_classes" + "".join(map(str, config.classes))
    at = "" if layer is None else f"@{layer}"
    return f"{config.data.name}_{config.model.kind}{classes}_{latent_dim}_{config.seed}{at}"
