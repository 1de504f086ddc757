"""Fusion of networks: hidden units of one model are matched to those of another, then weights are averaged.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.fusion.config import CONFIGS as METHODS
from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.fusion.alignment import align as align
    from framework.fusion.fusing import fuse as fuse
    from framework.fusion.repair import reset_statistics as reset_statistics

__all__ = ["METHODS", "align", "fuse", "reset_statistics"]

__getattr__ = lazy(
    __name__,
    {
        "align": "framework.fusion.alignment",
        "fuse": "framework.fusion.fusing",
        "reset_statistics": "framework.fusion.repair",
    },
)
