"""Self-supervised training: from the config of an encoder to its artifact.

Importing this package is light; the names below bring torch and Lightning with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.ssl.training.artifact import load_encoder as load_encoder
    from framework.ssl.training.diagnoses import diagnose as diagnose
    from framework.ssl.training.pretraining import pretrain as pretrain

# No module of this package may bear one of these names: importing it would put the module in the name's place.
_HOMES = {
    "diagnose": "framework.ssl.training.diagnoses",
    "load_encoder": "framework.ssl.training.artifact",
    "pretrain": "framework.ssl.training.pretraining",
}

__all__ = ["diagnose", "load_encoder", "pretrain"]

__getattr__ = lazy(__name__, _HOMES)
