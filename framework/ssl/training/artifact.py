"""The files of a pretrained encoder: weights as safetensors, what it is as JSON.

encoder.json                method, backbone and data, how many images were learned from and a digest of which, the
                            shape of an image, the number of features
initial.safetensors         before the first step
best.safetensors            after the epoch in which neighbours in train told most of val
last.safetensors            after the last epoch; with the memory bank and momentum encoder, as the others
epoch_0010.safetensors      after every `checkpoint_every` epochs, counted from 1
optimizer.safetensors       the state of the optimiser after the last epoch, for `extra_epochs`
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_model as load_weights
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import ArtifactError, ConfigError, Problem
from framework.ssl.method import Method
from framework.ssl.registry import build
from framework.ssl.training.config import FreshEncoder
from framework.training.checkpoints import checkpoint_in

SECTIONS = ("method", "backbone")


def save_description(method: Method, config: FreshEncoder, images: ImageSet, folder: Path) -> None:
    """Write `encoder.json`; `images` are what is learned from."""
    description = {
        **{name: getattr(config, name).model_dump(mode="json") for name in SECTIONS},
        "data": config.data.model_dump(mode="json", exclude={"download"}),
        "train_images": len(images),
        "train_digest": images.digest,
        "image_shape": list(config.shape),
        "num_features": method.num_features,
        "parameters": sum(parameter.numel() for parameter in method.parameters()),
    }
    (folder / "encoder.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load_encoder(folder: Path, config: FreshEncoder, which: str = "best") -> Method:
    """The method of `config` from its artifact folder, in eval mode, on the CPU.

    `which` is best, last, initial, or the name of another checkpoint such as epoch_0010.

    Raises:
        ArtifactError: the folder lacks the files, or holds another method or backbone than `config` says.
    """
    try:
        description = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no encoder.json: it is no artifact of an encoder") from error
    for name in SECTIONS:
        asked = getattr(config, name).model_dump(mode="json")
        if description.get(name) != asked:
            raise ArtifactError(f"{folder} holds the {name} {description.get(name)}, not {asked}")
    path = checkpoint_in(folder, which)
    method = build(config.method, config.shape, 0, _random(config.backbone))
    load_weights(method, str(path))
    return method.eval()


def _random(backbone: Any) -> Any:
    """The backbone with random weights and the stem that its own have: all weights are read from the file."""
    if getattr(backbone, "weights", "random") == "random":
        return backbone
    stem = "standard" if backbone.stem == "auto" else backbone.stem
    return backbone.model_copy(update={"weights": "random", "stem": stem})


def take_backbone(method: Method, other: Method) -> None:
    """Give `method` the backbone's weights of another, and its momentum encoder, where it has one, the same.

    Raises:
        ConfigError: they are for images of another shape.
    """
    state = other.backbone.state_dict()
    targets: list[nn.Module] = [method.backbone]
    if isinstance(getattr(method, "target_backbone", None), nn.Module):
        targets.append(method.get_submodule("target_backbone"))
    for target in targets:
        try:
            target.load_state_dict(state)
        except RuntimeError as error:
            message = f"has weights that do not fit: {error}"
            raise ConfigError([Problem("start.encoder", message)]) from error
