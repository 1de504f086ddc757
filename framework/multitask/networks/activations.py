"""Activations by name."""

from torch import nn

from framework.multitask.networks.config import Activation

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}


def activation_of(name: Activation) -> nn.Module:
    """The activation as a module."""
    return ACTIVATIONS[name]()
