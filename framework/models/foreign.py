"""Weights that were saved elsewhere, read without running what they hold."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from framework.errors import ArtifactError, InvalidInput, Problem

WRAPPERS = ("state_dict", "model_state_dict", "model")


def load_foreign(path: Path, model: nn.Module) -> None:
    """Load a state dict into `model`: a safetensors file, or what `torch.save` wrote, with `weights_only`.

    The dict may lie under one of the usual keys of a training checkpoint, and its names behind `module.`, as
    data-parallel training leaves them.

    Raises:
        ArtifactError: the file is missing, or holds more than tensors.
        InvalidInput: names that are missing or too many, or shapes that differ; all of them.
    """
    state = _unwrapped(_read(path), path)
    expected = model.state_dict()
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    problems = [Problem(name, "is missing") for name in expected if name not in state]
    problems += [Problem(name, "is no parameter of this model") for name in state if name not in expected]
    problems += [
        Problem(name, f"has the shape {tuple(tensor.shape)}; allowed: {tuple(expected[name].shape)}")
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    problems += [
        Problem(name, "holds NaN or infinite numbers")
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
    ]
    if problems:
        raise InvalidInput(problems, f"{path} does not fit {type(model).__name__}")
    model.load_state_dict(state)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist") from error
    except Exception as error:  # bytes that are no pickle make the unpickler stumble in any way
        message = (
            f"{path} cannot be read as weights: it is broken, or holds more than tensors, which is not loaded as "
            "it could run code; save `model.state_dict()`"
        )
        raise ArtifactError(message) from error


def _unwrapped(data: Any, path: Path) -> dict[str, Tensor]:
    for key in WRAPPERS:
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
            break
    if not isinstance(data, dict) or not all(isinstance(tensor, Tensor) for tensor in data.values()):
        raise ArtifactError(f"{path} holds no state dict (names with tensors); save `model.state_dict()`")
    return dict(data)
