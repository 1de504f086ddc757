"""Methods that are small enough for every test to build one, and views for them."""

from typing import Any

import torch
from torch import Tensor

from framework.ssl import Method, build
from framework.ssl.config import CONFIGS
from framework.ssl.parts import SmallResNet

SHAPE = (1, 8, 8)
BACKBONE = SmallResNet(width=0.03125)  # 16 features
PAIRWISE = [kind for kind in CONFIGS if kind not in ("lejepa", "visreg")]
SMALL = {"projection": {"kind": "mlp", "hidden": [12], "output": 6}}


def tiny(kind: str, *, backbone: Any = BACKBONE, shape: Any = SHAPE, seed: int = 0, **options: Any) -> Any:
    """A method with a head of 12 and 6 numbers, and with a bank of 64 where it has one by default."""
    values: dict[str, Any] = {"kind": kind, **SMALL, **options}
    if kind == "moco":
        values = {"memory_bank_size": 64, **values}
    if kind in ("lejepa", "visreg"):
        values = {"slices": 16, **values}
    if kind in ("byol", "simsiam", "fastsiam"):
        values = {"predictor": {"hidden": [10]}, **values}
    return build(CONFIGS[kind].parse(values), shape, seed, backbone)


def views_of(method: Method, images: int = 8, *, seed: int = 1, shape: Any = SHAPE) -> Tensor:
    """As many views as the method takes, (V, B, C, H, W)."""
    numbers = torch.Generator().manual_seed(seed)
    return torch.rand(method.config.views, images, *shape, generator=numbers)
