"""What a self-supervised encoder is held against: its own backbone, untrained and as a library has trained it.

Untrained ones are built of several seeds, since one alone says little of the others. Pretrained weights are taken
where they lie on this machine and are never fetched; where there are none, the baseline says so. Pretrained
networks see images as every other model does: on the scale of the data set, in its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from framework.errors import WeightsUnavailable
from framework.models.base import Shape
from framework.seeds import refuse_no_seed
from framework.ssl.backbones import Backbone, build_backbone, named
from framework.ssl.method import Method
from framework.ssl.parts import BackboneConfig, Dense, SmallResNet, Timm, Torchvision

SEEDS = (0, 1, 2)
FILES = ("model.safetensors", "pytorch_model.bin")  # of timm, on Hugging Face's hub


@dataclass(frozen=True)
class Baseline:
    """A network that no method has trained (`kind` is random or pretrained), or why there is none."""

    name: str
    kind: str
    seed: int | None
    model: nn.Module | None
    missing: str = ""


def baselines(backbone: str | BackboneConfig, image_shape: Shape, seeds: Sequence[int] = SEEDS) -> list[Baseline]:
    """The backbone with random weights of each seed, then with pretrained ones, for images (C, H, W).

    Raises:
        ConfigError: as `named` and `build_backbone`.
        InvalidInput: a seed that is none.
    """
    config = named(backbone) if isinstance(backbone, str) else backbone
    label = getattr(config, "name", config.kind)
    found = [
        Baseline(f"{label}, random weights", "random", seed, _random(config, image_shape, seed)) for seed in seeds
    ]
    name, missing, model = f"{label}, pretrained", missing_weights(config), None
    if not missing:
        try:
            model = build_backbone(_with_weights(config, "pretrained"), image_shape)
        except WeightsUnavailable as error:
            missing = str(error)
    return [*found, Baseline(name, "pretrained", None, model, missing)]


def backbone_of(model: Any) -> tuple[BackboneConfig, Shape] | None:
    """What the backbone of a `Method`, or a `Backbone`, was built of, and for which images, if that is known."""
    backbone = model.backbone if isinstance(model, Method) else model
    if not isinstance(backbone, Backbone) or backbone.config is None:
        return None
    return backbone.config, backbone.image_shape


def missing_weights(config: BackboneConfig) -> str:
    """Why the backbone has no pretrained weights on this machine; nothing where it has."""
    if isinstance(config, SmallResNet | Dense):
        return f"{config.kind} is a network of this project, and nobody has published weights of it"
    if isinstance(config, Timm):
        return _missing_of_timm(config.name)
    from torchvision import models  # type: ignore[import-untyped]

    url: str = models.get_model_weights(config.name).DEFAULT.url
    place = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    return "" if place.is_file() else f"its weights are not on this machine; put them to {place}"


def _missing_of_timm(name: str) -> str:
    try:
        import timm  # type: ignore[import-not-found, unused-ignore]
        from huggingface_hub import try_to_load_from_cache  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return "timm is not installed here; pip install 'sashiko[timm]'"
    known = timm.get_pretrained_cfg(name)
    if known is None or not known.hf_hub_id:
        return f"timm has no weights of {name} on Hugging Face's hub"
    if any(isinstance(try_to_load_from_cache(known.hf_hub_id, file), str) for file in FILES):
        return ""
    return f"its weights are not on this machine; put {known.hf_hub_id} into Hugging Face's cache ($HF_HOME)"


def _random(config: BackboneConfig, image_shape: Shape, seed: int) -> Backbone:
    refuse_no_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build_backbone(_with_weights(config, "random"), image_shape)


def _with_weights(config: BackboneConfig, weights: str) -> BackboneConfig:
    return config.model_copy(update={"weights": weights}) if isinstance(config, Torchvision | Timm) else config
