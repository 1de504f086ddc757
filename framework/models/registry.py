"""The models by kind. A new model is a config in `config.py`, a class in a file of its own, and a line here."""

from typing import Any, NamedTuple

import torch
from torch import nn

from framework.models.autoencoder import Autoencoder
from framework.models.config import PCKTAE, MLPAutoencoder, ModelConfig
from framework.models.mlp import DenseAutoencoder
from framework.models.pcktae import PocketAutoencoder


class Entry(NamedTuple):
    """A kind of model: its config and the module that is built from it."""

    config: type[PCKTAE] | type[MLPAutoencoder]
    module: Any


MODELS = {
    "pcktae": Entry(PCKTAE, PocketAutoencoder),
    "mlp_autoencoder": Entry(MLPAutoencoder, DenseAutoencoder),
}


def build(config: ModelConfig, input_shape: tuple[int, int, int]) -> Autoencoder:
    """The untrained model of `config` for images of `input_shape` (C, H, W), its weights drawn from torch's seed.

    Raises:
        ConfigError: the architecture does not take images of this shape.
    """
    model: Autoencoder = MODELS[config.kind].module(config, input_shape)
    return model


class ModelRow(NamedTuple):
    """One line of the listing: a kind with its default config."""

    key: str
    parameters: int
    input_shape: tuple[int, int, int]
    encode: bool
    decode: bool


def describe(input_shape: tuple[int, int, int] = (1, 28, 28)) -> list[ModelRow]:
    """A row for each kind: its key, the number of parameters for `input_shape`, and what it can do."""
    rows = []
    for key, entry in MODELS.items():
        with torch.random.fork_rng(devices=[]):
            model: nn.Module = entry.module(entry.config(), input_shape)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        rows.append(ModelRow(key, parameters, input_shape, hasattr(model, "encode"), hasattr(model, "decode")))
    return rows
