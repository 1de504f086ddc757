"""The two models of a stitching run: trained once, encoded once, and fetched by their configs.

Shapes: N images, D latent dimensions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.stitching.config import LatentsConfig, Side
from framework.data.vision import load_splits
from framework.models.base import Model
from framework.models.split import split
from framework.ssl.probed.config import ProbeConfig
from framework.training.checkpoints import load_model
from framework.training.evaluation import Evaluation, evaluate, load_evaluation, save_evaluation
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run


@dataclass(frozen=True)
class Parent:
    """A trained model, cut at the layer that is stitched, with what it makes of every image of its data.

    Of a probe on an encoder, the model is both together, with the features as latents.
    """

    name: str
    config: Side
    layer: str | None
    model: Model
    evaluation: Evaluation

    @property
    def kind(self) -> str:
        """The architecture; of an encoder its method."""
        config = self.config
        return config.encoder.method.kind if isinstance(config, ProbeConfig) else config.model.kind

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.config.encoder.seed if isinstance(self.config, ProbeConfig) else self.config.seed


def load_parent(config: Side, layer: str | None, run: "Run") -> Parent:
    """The trained model of `config`, with the weights that were best on val, and its latents at `layer`.

    Raises:
        ArtifactError: the model or its latents cannot be had.
        InvalidInput: the model has no such layer, or other values pass it by.
    """
    if isinstance(config, ProbeConfig):
        return _probed(config, run)
    folder = run.require("model", config)
    model = load_model(folder, config)
    evaluation_folder = folder
    if layer is not None:
        model = split(model, layer, model.input_shape)
        evaluation_folder = run.require("latents", LatentsConfig(model=config, layer=layer))
    return Parent(
        model_name(config, model.latent_dim, layer), config, layer, model, load_evaluation(evaluation_folder)
    )


def _probed(config: ProbeConfig, run: "Run") -> Parent:
    from framework.ssl.probed.artifact import load_probed  # lightly, which no other model needs

    folder = run.require("probe", config)
    model = load_probed(folder, run.require("encoder", config.encoder), config)
    return Parent(model_name(config, model.latent_dim), config, None, model, load_evaluation(folder))


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


def model_name(config: Side, latent_dim: int, layer: str | None = None) -> str:
    """A model in tables and figures: data set, kind, latent size, seed, and the classes and layer where given.

    The kind of an encoder is its method.

    It is for people; the identity of a model is its `config_id`.
    """
    if isinstance(config, ProbeConfig):
        return f"{config.data.name}_{config.encoder.method.kind}_{latent_dim}_{config.encoder.seed}"
    classes = "" if config.classes is None else "_classes" + "".join(map(str, config.classes))
    at = "" if layer is None else f"@{layer}"
    return f"{config.data.name}_{config.model.kind}{classes}_{latent_dim}_{config.seed}{at}"
