"""The files of a trained model: weights as safetensors, the architecture as JSON. Knows no training.

model.json                  kind, config, input shape and number of classes of the architecture; its data
initial.safetensors         before the first step
best.safetensors            after the epoch with the least error on the val split
last.safetensors            after the last epoch
epoch_0010.safetensors      after every `checkpoint_every` epochs, counted from 1
optimizer.safetensors       the state of the optimiser after the last epoch, for `extra_epochs`
evaluation.safetensors      latents, errors and predicted classes of best on every split (`evaluation.py`)
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_model as load_weights
from safetensors.torch import save_model as save_weights
from torch import nn

from framework.errors import ArtifactError
from framework.models.base import Model
from framework.models.registry import build
from framework.training.config import TrainingConfig
from framework.training.optimizer_state import OPTIMIZER

NO_CHECKPOINTS = ("evaluation", OPTIMIZER)


def save_checkpoint(model: nn.Module, folder: Path, name: str) -> Path:
    """Write the weights of `model` as they are now to `folder/name.safetensors`."""
    path = folder / f"{name}.safetensors"
    save_weights(model, str(path))
    return path


def save_description(model: Model, config: TrainingConfig, folder: Path) -> None:
    """Write `model.json`, from which the module can be built without anything else."""
    description = {
        "kind": config.model.kind,
        "config": config.model.model_dump(mode="json"),
        "task": model.task,
        "input_shape": list(model.input_shape),
        "num_classes": model.num_classes,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "data": config.data.model_dump(mode="json", exclude={"download"}),
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")


def checkpoint_in(folder: Path, which: str) -> Path:
    """The file of a checkpoint: best, last, initial, or the name of another such as epoch_0010.

    Raises:
        ArtifactError: the folder holds none of that name.
    """
    path = folder / f"{which}.safetensors"
    if path.is_file() and which not in NO_CHECKPOINTS:
        return path
    there = sorted(file.stem for file in folder.glob("*.safetensors") if file.stem not in NO_CHECKPOINTS)
    message = f"{folder} holds no checkpoint {which!r}; there are: {', '.join(there)}"
    if set(there) <= {"best", "last"}:
        message += " (checkpoints_kept=best_and_last keeps no others; make it again with all, --stale remake)"
    raise ArtifactError(message)


def load_model(folder: Path, config: TrainingConfig, which: str = "best") -> Model:
    """The model of `config` from its artifact folder, in eval mode, on the CPU.

    `which` is best, last, initial, or the name of another checkpoint such as epoch_0010.

    Raises:
        ArtifactError: the folder lacks the files, or holds another architecture than `config` says.
    """
    try:
        description = json.loads((folder / "model.json").read_text())
        channels, height, width = description["input_shape"]
        num_classes = description["num_classes"]
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no model.json: it is no artifact of a trained model") from error
    except KeyError as error:
        raise ArtifactError(f"{folder}/model.json lacks {error}: train the model again from its config") from error
    if description["config"] != config.model.model_dump(mode="json"):
        raise ArtifactError(
            f"{folder} holds the model {description['config']}, not {config.model.model_dump(mode='json')}"
        )
    path = checkpoint_in(folder, which)
    with torch.random.fork_rng(devices=[]):
        model = build(config.model, (channels, height, width), num_classes)
    load_weights(model, str(path))
    return model.eval()
