"""The models by kind. A new model is a config in `config.py`, a class in a file of its own, and a line here."""

from typing import Any, NamedTuple

import torch

from framework.config import Config
from framework.models.ae import ConvolutionalAutoencoder
from framework.models.base import Model, Shape, Task
from framework.models.cifar_resnet import CIFARResNetClassifier
from framework.models.classifier import Classifier
from framework.models.config import (
    AE,
    MLP,
    PCKTAE,
    VAE,
    VGG,
    CIFARResNet,
    MLPAutoencoder,
    ModelConfig,
    ResNet18,
    ViT,
)
from framework.models.mlp import DenseAutoencoder
from framework.models.mlp_classifier import DenseClassifier
from framework.models.pcktae import PocketAutoencoder
from framework.models.resnet import ResNetClassifier
from framework.models.vae import VariationalAutoencoder
from framework.models.vgg import VGGClassifier
from framework.models.vit import VisionTransformerClassifier


class Entry(NamedTuple):
    """A kind of model: its config and the module that is built from it."""

    config: type[Config]
    module: Any


MODELS = {
    "pcktae": Entry(PCKTAE, PocketAutoencoder),
    "mlp_autoencoder": Entry(MLPAutoencoder, DenseAutoencoder),
    "vae": Entry(VAE, VariationalAutoencoder),
    "ae": Entry(AE, ConvolutionalAutoencoder),
    "resnet18": Entry(ResNet18, ResNetClassifier),
    "vit": Entry(ViT, VisionTransformerClassifier),
    "mlp": Entry(MLP, DenseClassifier),
    "vgg": Entry(VGG, VGGClassifier),
    "cifar_resnet": Entry(CIFARResNet, CIFARResNetClassifier),
}


def build(config: ModelConfig, input_shape: Shape, num_classes: int = 10) -> Model:
    """The untrained model of `config` for images of `input_shape` (C, H, W), its weights drawn from torch's seed.

    `num_classes` is the number of a classifier's logits; autoencoders have none.

    Raises:
        ConfigError: the architecture does not take images of this shape.
    """
    return _made(MODELS[config.kind], config, input_shape, num_classes)


def _made(entry: Entry, config: Config, input_shape: Shape, num_classes: int) -> Model:
    classes = (num_classes,) if issubclass(entry.module, Classifier) else ()
    model: Model = entry.module(config, input_shape, *classes)
    return model


class ModelRow(NamedTuple):
    """One line of the listing: a kind with its default config."""

    key: str
    task: Task
    parameters: int
    input_shape: Shape
    encode: bool
    decode: bool


def describe(input_shape: Shape = (1, 28, 28), num_classes: int = 10) -> list[ModelRow]:
    """A row for each kind: its key and task, the number of parameters for `input_shape`, and what it can do."""
    rows = []
    for key, entry in MODELS.items():
        with torch.random.fork_rng(devices=[]):
            model = _made(entry, entry.config(), input_shape, num_classes)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        can = [hasattr(model, name) for name in ("encode", "decode")]
        rows.append(ModelRow(key, model.task, parameters, input_shape, *can))
    return rows
