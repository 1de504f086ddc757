"""The methods by kind. A new method is a config in `config.py`, a class in a file of its own, and a line here."""

from typing import Any

import torch

from framework.models.base import Shape
from framework.seeds import refuse_no_seed
from framework.ssl.backbones import build_backbone
from framework.ssl.config import MethodConfig
from framework.ssl.method import Method
from framework.ssl.methods.barlow_twins import BarlowTwinsMethod
from framework.ssl.methods.byol import BYOLMethod
from framework.ssl.methods.dcl import DCLMethod
from framework.ssl.methods.fastsiam import FastSiamMethod
from framework.ssl.methods.lejepa import LeJEPAMethod
from framework.ssl.methods.moco import MoCoMethod
from framework.ssl.methods.simclr import SimCLRMethod
from framework.ssl.methods.simsiam import SimSiamMethod
from framework.ssl.methods.vicreg import VICRegMethod
from framework.ssl.methods.visreg import VISRegMethod
from framework.ssl.parts import BackboneConfig, Torchvision

METHODS: dict[str, Any] = {
    "simclr": SimCLRMethod,
    "moco": MoCoMethod,
    "byol": BYOLMethod,
    "simsiam": SimSiamMethod,
    "barlow_twins": BarlowTwinsMethod,
    "vicreg": VICRegMethod,
    "dcl": DCLMethod,
    "fastsiam": FastSiamMethod,
    "lejepa": LeJEPAMethod,
    "visreg": VISRegMethod,
}
DEFAULT_BACKBONE = Torchvision()


def build(
    config: MethodConfig, image_shape: Shape, seed: int = 0, backbone: BackboneConfig = DEFAULT_BACKBONE
) -> Method:
    """The untrained method of `config` on a backbone, for images (C, H, W); equal for equal seeds.

    torch's own random state is left as it was.

    Raises:
        InvalidInput: the seed is none.
        ConfigError: there is no such backbone, or it does not take images of this shape.
        WeightsUnavailable: pretrained weights that are asked for are not on this machine and cannot be fetched.
    """
    refuse_no_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        method: Method = METHODS[config.kind](config, build_backbone(backbone, image_shape))
        return method
