"""Trained networks, from their files."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from framework.errors import ArtifactError
from framework.multitask.config import TasksConfig
from framework.multitask.training.train import network_of


def load_networks(config: TasksConfig, folder: Path) -> dict[str, nn.Module]:
    """The trained network of each learnt task, in eval mode on the CPU; tasks that share one have the same module.

    `folder` holds `<first task>.safetensors`.

    Raises:
        ArtifactError: a file is missing, or holds another architecture.
    """
    found: dict[str, nn.Module] = {}
    for group in config.groups:
        network = network_of(config, group[0])
        path = folder / f"{group[0]}.safetensors"
        try:
            network.load_state_dict(load_file(str(path)))
        except (FileNotFoundError, RuntimeError) as error:
            raise ArtifactError(f"{path} does not hold the network of {', '.join(group)}: {error}") from error
        found |= dict.fromkeys(group, network.eval())
    return found


def predict(network: nn.Module, x_NI: Tensor) -> Tensor:
    """The outputs (N, D) at x (N, I), without gradient."""
    with torch.no_grad():
        predicted: Tensor = network(x_NI)
    return predicted
