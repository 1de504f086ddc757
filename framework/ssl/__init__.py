"""Self-supervised learning: ten methods, one a file, on any backbone, with any number of views.

    from framework.ssl import BarlowTwins, build

`framework/ssl/quick.py` has the methods in one line, `framework/ssl/registry.py` builds them from configs.
`framework/ssl/evaluation/api.py` tells in one line how good their features are, `framework/ssl/diagnostics/` how
they are while they are trained, without labels.
Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.ssl.cube import CubeLoss as CubeLoss
    from framework.ssl.evaluation.api import Eval_finetune as Eval_finetune
    from framework.ssl.evaluation.api import Eval_knn as Eval_knn
    from framework.ssl.evaluation.api import Eval_linear as Eval_linear
    from framework.ssl.evaluation.api import Eval_transfer as Eval_transfer
    from framework.ssl.evaluation.comparing import Compare_eval as Compare_eval
    from framework.ssl.method import Losses as Losses
    from framework.ssl.method import Method as Method
    from framework.ssl.quick import BYOL as BYOL
    from framework.ssl.quick import DCL as DCL
    from framework.ssl.quick import BarlowTwins as BarlowTwins
    from framework.ssl.quick import FastSiam as FastSiam
    from framework.ssl.quick import General_Model as General_Model
    from framework.ssl.quick import LeJEPA as LeJEPA
    from framework.ssl.quick import MoCo as MoCo
    from framework.ssl.quick import SiaSiam as SiaSiam
    from framework.ssl.quick import SimCLR as SimCLR
    from framework.ssl.quick import SimSiam as SimSiam
    from framework.ssl.quick import VICReg as VICReg
    from framework.ssl.quick import VISReg as VISReg
    from framework.ssl.registry import METHODS as METHODS
    from framework.ssl.registry import build as build
    from framework.ssl.strategies import combine as combine

_HOMES = {
    "BYOL": "framework.ssl.quick",
    "BarlowTwins": "framework.ssl.quick",
    "CubeLoss": "framework.ssl.cube",
    "Compare_eval": "framework.ssl.evaluation.comparing",
    "DCL": "framework.ssl.quick",
    "Eval_finetune": "framework.ssl.evaluation.api",
    "Eval_knn": "framework.ssl.evaluation.api",
    "Eval_linear": "framework.ssl.evaluation.api",
    "Eval_transfer": "framework.ssl.evaluation.api",
    "FastSiam": "framework.ssl.quick",
    "General_Model": "framework.ssl.quick",
    "LeJEPA": "framework.ssl.quick",
    "Losses": "framework.ssl.method",
    "METHODS": "framework.ssl.registry",
    "Method": "framework.ssl.method",
    "MoCo": "framework.ssl.quick",
    "SiaSiam": "framework.ssl.quick",
    "SimCLR": "framework.ssl.quick",
    "SimSiam": "framework.ssl.quick",
    "VICReg": "framework.ssl.quick",
    "VISReg": "framework.ssl.quick",
    "build": "framework.ssl.registry",
    "combine": "framework.ssl.strategies",
}

__all__ = [
    "BYOL",
    "DCL",
    "METHODS",
    "BarlowTwins",
    "Compare_eval",
    "CubeLoss",
    "Eval_finetune",
    "Eval_knn",
    "Eval_linear",
    "Eval_transfer",
    "FastSiam",
    "General_Model",
    "LeJEPA",
    "Losses",
    "Method",
    "MoCo",
    "SiaSiam",
    "SimCLR",
    "SimSiam",
    "VICReg",
    "VISReg",
    "build",
    "combine",
]

__getattr__ = lazy(__name__, _HOMES)
