"""Networks over the features of a table, and their files: weights as safetensors, the shape of it as JSON.

    model.json                       config of the model, features, classes, digest of the table
    initial, best, last.safetensors  weights before the first step, of the least val error, after the last epoch
    optimizer.safetensors            the state of the optimiser after the last epoch, for `extra_epochs`

Shapes: N rows, F features, H hidden units, K classes.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model as load_weights
from torch import Tensor, nn

from framework.config import canonical
from framework.data.tabular.loading import TableData
from framework.errors import ArtifactError
from framework.tabular.config import MLP, Linear
from framework.tabular.estimators import Array

DESCRIPTION = "model.json"


class TableNetwork(nn.Module):
    """Features (N, F) → logits (N, K) of classes, or (N,) standardised numbers.

    The mean and the standard deviation of the target on train lie with the weights. Linear layers begin as PyTorch
    draws them.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: Linear | MLP, num_features: int, num_classes: int) -> None:
        """`num_classes` is 0 where a number is predicted."""
        super().__init__()
        self.num_classes = num_classes
        hidden, dropout = (config.hidden, config.dropout) if isinstance(config, MLP) else ((), 0.0)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((num_features, *hidden)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
        last = hidden[-1] if hidden else num_features
        self.layers = nn.Sequential(*layers, nn.Linear(last, num_classes or 1))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def standardise(self, targets_N: Tensor) -> Tensor:
        """Take mean and scale of the targets of train (N,), and return them standardised."""
        self.mean.copy_(targets_N.double().mean())
        self.scale.copy_(targets_N.double().std(correction=0))
        return self.standardised(targets_N)

    def standardised(self, targets_N: Tensor) -> Tensor:
        """Targets (N,) in the units that the network learns in; of a constant target they are 0."""
        scale = self.scale if self.scale > 0 else torch.ones_like(self.scale)
        return ((targets_N - self.mean) / scale).float()

    def forward(self, features_NF: Tensor) -> Tensor:
        """Logits (N, K), or standardised numbers (N,)."""
        outputs: Tensor = self.layers(features_NF)
        return outputs if self.num_classes else outputs[:, 0]

    @torch.no_grad()
    def predict(self, features_NF: Array) -> Array:
        """Probabilities (N, K) of the classes, or numbers (N,) in the target's unit, in eval mode, in float64."""
        training, device = self.training, self.mean.device
        outputs = self.eval()(torch.from_numpy(features_NF).float().to(device)).double().cpu()
        self.train(training)
        if self.num_classes:
            return np.asarray(outputs.softmax(dim=1).numpy())
        return np.asarray((outputs * self.scale.double().cpu() + self.mean.double().cpu()).numpy())


def save_description(config: Linear | MLP, data: TableData, folder: Path) -> None:
    """Write `model.json`, which tells what the weights are of."""
    description = {
        "config": canonical(config),
        "task": data.task,
        "target": data.target,
        "features": data.features,
        "classes": data.classes,
        "table": {"name": data.name, "sha256": data.digest},
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load_network(folder: Path, config: Linear | MLP, which: str = "best") -> TableNetwork:
    """The network of `config` from its artifact's folder, in eval mode, on the CPU.

    It takes features as `load_table` makes them of the same table, config and seed.

    Raises:
        ArtifactError: the folder lacks a file, or holds another network than `config` says.
    """
    path = folder / f"{which}.safetensors"
    missing = [file.name for file in (folder / DESCRIPTION, path) if not file.is_file()]
    if missing:
        raise ArtifactError(f"{folder} lacks {', '.join(missing)}: it is no artifact of a network over a table")
    told = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    if told["config"] != canonical(config):
        raise ArtifactError(f"{folder} holds the model {told['config']}, not {canonical(config)}")
    with torch.random.fork_rng(devices=[]):
        network = TableNetwork(config, len(told["features"]), len(told["classes"]))
    load_weights(network, str(path))
    return network.eval()
