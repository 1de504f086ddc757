"""Methods in one line, by the names of their papers:

    model = BarlowTwins(backbone="ResNet", memory_bank=False, projectionhead="linear")
    losses = model.loss([view_1, view_2])      # tensors (B, C, H, W)
    losses.total.backward()
    optimiser.step()
    model.after_step()
    model.encode(images)                       # features (B, D)

Where the number of steps is known, `model.loss(views, step, steps)` lets momentum follow its schedule; without it
the momentum of BYOL keeps its first value.

A `memory_bank` is for SimCLR and MoCo. `SiaSiam(backbone="ResNet", memory_bank=True, projectionhead="MLP")` is
refused: a bank holds negatives, and SimSiam has none, as it compares views of one image alone. Leave the bank out,
`SiaSiam(backbone="ResNet", projectionhead="MLP")`, or take SimCLR or MoCo.

A backbone is a name of torchvision or timm, `ResNet` (a resnet18), one of the project's own (`cifar_resnet18`,
`mlp`), or a config. Every other field of the method's config (`framework/ssl/config.py`) can be given by its
name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from framework.config import Config
from framework.errors import ConfigError, InvalidInput, Problem, TrainingDiverged
from framework.fields import nearest
from framework.models.base import Shape
from framework.seeds import refuse_no_seed
from framework.ssl.backbones import build_backbone, named
from framework.ssl.config import BANK, CONFIGS
from framework.ssl.method import Losses, Method
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
from framework.values import is_number

HEADS = ("linear", "MLP")
WITH_BANK = ("SimCLR", "MoCo")
"""The methods with negatives that a bank can hold."""


class General_Model(Method):  # noqa: N801 (the name that users know)
    """A method with a backbone, in one line.

    Args:
        backbone: a name, or a backbone's config.
        memory_bank: whether projections of earlier batches are the negatives (of SimCLR and MoCo): 4096 of them,
            or as many as are given here or as `memory_bank_size`. Left out, it is what the method has: 4096 for
            MoCo, none for others.
        projectionhead: "linear", or "MLP" for the method's own head. Left out, it is that of a `projection` in
            `options` (whose kind is the method's own, where it names none), and without one "linear".
        image_shape: (C, H, W) of an image.
        seed: of the first weights.
        options: fields of the method's config.

    Raises:
        ConfigError: a word or a field that is unknown (the nearest is told), options that contradict, or a bank
            for a method without negatives.
        InvalidInput, WeightsUnavailable: as `framework.ssl.build`.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self,
        backbone: str | BackboneConfig = "ResNet",
        memory_bank: bool | int | None = None,
        projectionhead: str | None = None,
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

    def loss(self, views: Sequence[Tensor] | Tensor, step: int = 0, steps: int | None = None) -> Losses:
        """As `Method.loss`; nothing that is not finite comes into a memory bank, or on to the optimiser.

        Raises:
            InvalidInput: as `Method.loss`; views with NaN or infinite values, before anything is computed.
            TrainingDiverged: the loss is NaN or infinite.
        """
        self._refuse(views)
        for number, view in enumerate(views):
            if bad := int((~view.isfinite()).sum()):
                message = f"view {number} has {bad} values that are NaN or infinite; allowed: finite numbers"
                raise InvalidInput([Problem("views", message)])
        losses = super().loss(views, step, steps)
        if not bool(losses.total.isfinite()):
            bank = ", and the memory bank is left as it was" if getattr(self.config, "memory_bank_size", 0) else ""
            raise TrainingDiverged(
                f"the loss of {type(self).__name__} is {losses.total.item()} with finite views{bank}: the weights "
                "have diverged; build the model anew, and lower the step size"
            )
        return losses

    @classmethod
    def _config(
        cls, memory_bank: bool | int | None, projectionhead: str | None, options: Mapping[str, Any]
    ) -> Config:
        values: dict[str, Any] = {"kind": cls.kind, **options}
        problems: list[Problem] = []
        for part, word in ((_projection, projectionhead), (cls._bank, memory_bank)):
            try:
                values |= part(word, options)
            except InvalidInput as error:
                problems += error.problems
        try:
            config = CONFIGS[cls.kind].parse(values, cls.__name__)
        except InvalidInput as error:
            raise ConfigError([*problems, *error.problems], cls.__name__) from None
        if problems:
            raise ConfigError(problems, cls.__name__)
        return config

    @classmethod
    def _bank(cls, memory_bank: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        """The field `memory_bank_size` as `memory_bank` has it: none, where nothing is said.

        Raises:
            InvalidInput: no yes, no or number; a bank where there are no negatives; two sizes.
        """
        if memory_bank is None:
            return {}
        size = options.get("memory_bank_size")
        if not (isinstance(memory_bank, bool) or is_number(memory_bank, whole=True)):
            told = "; allowed: True, False, or a whole number of projections"
        elif "memory_bank_size" in CONFIGS[cls.kind].model_fields:
            agree = bool(size) == memory_bank if isinstance(memory_bank, bool) else size == memory_bank
            told = "" if size is None or agree else f", but memory_bank_size is {size!r}; leave one of them out"
        elif memory_bank:
            told = f", but {cls.__name__} has no negatives that a bank could hold; leave it out, or take a method "
            told += f"that has: {', '.join(WITH_BANK)}"
        else:
            return {}
        if told:
            raise InvalidInput([Problem("memory_bank", f"is {memory_bank!r}{told}")])
        usual = BANK if memory_bank is True else int(memory_bank)
        return {"memory_bank_size": usual if size is None else size}


def _projection(projectionhead: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The field `projection` as the word and what is given for the field by itself have it.

    Raises:
        InvalidInput: an unknown word; a word and a projection of two kinds.
    """
    given = options.get("projection")
    if projectionhead is None:
        return {} if "projection" in options else {"projection": "linear"}
    heads = {head.lower(): head for head in HEADS}
    kind = str(projectionhead).lower()
    if kind not in heads:
        told = nearest(str(projectionhead), HEADS)
        raise InvalidInput([Problem("projectionhead", f"is {projectionhead!r}; {told}")])
    if given is None:
        return {"projection": kind}
    known = given.get("kind", kind) if isinstance(given, Mapping) else getattr(given, "kind", given)
    if known != kind:
        message = f"is {projectionhead!r}, but projection is of the kind {known!r}; leave one of them out"
        raise InvalidInput([Problem("projectionhead", message)])
    return {"projection": {**given, "kind": kind}} if isinstance(given, Mapping) else {}


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
