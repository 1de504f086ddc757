"""Merging of models that were fine-tuned from one checkpoint: their hidden units are in one order already.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.fusion.merging.config import CONFIGS as METHODS
from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.fusion.merging.merging import Merged as Merged
    from framework.fusion.merging.merging import combine as combine
    from framework.fusion.merging.merging import merge as merge

__all__ = ["METHODS", "Merged", "combine", "merge"]

_HOME = "framework.fusion.merging.merging"

__getattr__ = lazy(__name__, {"Merged": _HOME, "combine": _HOME, "merge": _HOME})
