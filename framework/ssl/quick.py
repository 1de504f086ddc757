"""Methods in one line, by the names of their papers:

    model = BarlowTwins(backbone="ResNet", memory_bank=False, projectionhead="linear")
    losses = model.loss([view_1, view_2])      # tensors (B, C, H, W)
    losses.total.backward()
    optimiser.step()
    model.after_step()
    model.encode(images)                       # features (B, D)

Where the number of steps is known, `model.loss(views, step, steps)` lets momentum follow its schedule; without it
the momentum of BYOL keeps its first value.

A backbone is a name of torchvision or timm, `ResNet` (a resnet18), one of the project's own (`cifar_resnet18`,
`mlp`), or a config. Every other field of the method's config (`framework/ssl/config.py`) can be given by its
name.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from framework.config import Config
from framework.errors import ConfigError, InvalidInput, Problem
from framework.fields import nearest
from framework.models.base import Shape
from framework.seeds import refuse_no_seed
from framework.ssl.backbones import build_backbone, named
from framework.ssl.config import BANK, CONFIGS
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
from framework.ssl.parts import BackboneConfig

HEADS = ("linear", "MLP")


class General_Model(Method):  # noqa: N801 (the name that users know)
    """A method with a backbone, in one line.

    Args:
        backbone: a name, or a backbone's config.
        memory_bank: whether projections of earlier batches are the negatives (of SimCLR and MoCo): 4096 of them,
            or as many as are given. Left out, it is what the method has: 4096 for MoCo, none for others.
        projectionhead: "linear", or "MLP" for the method's own head. It stands above a `projection` in `options`.
        image_shape: (C, H, W) of an image.
        seed: of the first weights.
        options: fields of the method's config.

    Raises:
        ConfigError: a word or a field that is unknown (the nearest is told), or options that contradict.
        InvalidInput, WeightsUnavailable: as `framework.ssl.build`.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self,
        backbone: str | BackboneConfig = "ResNet",
        memory_bank: bool | int | None = None,
        projectionhead: str = "linear",
        *,
        image_shape: Shape = (3, 32, 32),
        seed: int = 0,
        **options: Any,
    ) -> None:
        refuse_no_seed(seed)
        config = self._config(memory_bank, projectionhead, options)
        chosen = named(backbone) if isinstance(backbone, str) else backbone
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            super().__init__(config, build_backbone(chosen, image_shape))  # type: ignore[arg-type]

    @classmethod
    def _config(cls, memory_bank: bool | int | None, projectionhead: str, options: Mapping[str, Any]) -> Config:
        values, problems = {"kind": cls.kind, **options}, []
        heads = {head.lower(): head for head in HEADS}
        if str(projectionhead).lower() not in heads:
            told = nearest(str(projectionhead), HEADS)
            problems.append(Problem("projectionhead", f"is {projectionhead!r}; {told}"))
        else:
            given = values.get("projection", {})
            kind = str(projectionhead).lower()
            values["projection"] = {**given, "kind": kind} if isinstance(given, Mapping) else given
        if "memory_bank_size" in CONFIGS[cls.kind].model_fields:
            if memory_bank is not None:
                values["memory_bank_size"] = BANK if memory_bank is True else int(memory_bank)
        elif memory_bank:
            message = (
                f"is {memory_bank!r}, but {cls.__name__} has no negatives that a bank could hold; leave it False"
            )
            problems.append(Problem("memory_bank", message))
        try:
            config = CONFIGS[cls.kind].parse(values, cls.__name__)
        except InvalidInput as error:
            raise ConfigError([*problems, *error.problems], cls.__name__) from None
        if problems:
            raise ConfigError(problems, cls.__name__)
        return config


class SimCLR(General_Model, SimCLRMethod):
    """SimCLR (Chen et al., 2020): `framework/ssl/methods/simclr.py`."""

    kind = "simclr"


class MoCo(General_Model, MoCoMethod):
    """MoCo (He et al., 2020): `framework/ssl/methods/moco.py`."""

    kind = "moco"


class BYOL(General_Model, BYOLMethod):
    """BYOL (Grill et al., 2020): `framework/ssl/methods/byol.py`."""

    kind = "byol"


class SimSiam(General_Model, SimSiamMethod):
    """SimSiam (Chen and He, 2021): `framework/ssl/methods/simsiam.py`."""

    kind = "simsiam"


SiaSiam = SimSiam


class FastSiam(General_Model, FastSiamMethod):
    """FastSiam (Pototzky et al., 2022): `framework/ssl/methods/fastsiam.py`."""

    kind = "fastsiam"


class BarlowTwins(General_Model, BarlowTwinsMethod):
    """Barlow Twins (Zbontar et al., 2021): `framework/ssl/methods/barlow_twins.py`."""

    kind = "barlow_twins"


class VICReg(General_Model, VICRegMethod):
    """VICReg (Bardes et al., 2022): `framework/ssl/methods/vicreg.py`."""

    kind = "vicreg"


class DCL(General_Model, DCLMethod):
    """Decoupled contrastive learning (Yeh et al., 2021): `framework/ssl/methods/dcl.py`."""

    kind = "dcl"


class LeJEPA(General_Model, LeJEPAMethod):
    """LeJEPA (Balestriero and LeCun, 2025): `framework/ssl/methods/lejepa.py`."""

    kind = "lejepa"


class VISReg(General_Model, VISRegMethod):
    """VISReg (Wu et al., 2026): `framework/ssl/methods/visreg.py`."""

    kind = "visreg"
