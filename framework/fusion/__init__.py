"""Fusion of networks: hidden units of one model are matched to those of another, then weights are averaged.

What was fine-tuned from one checkpoint needs no matching: `merge`. Two that learned other classes: `zipit`.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.fusion.config import CONFIGS as METHODS
from framework.fusion.merging.config import CONFIGS as MERGING
from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.fusion.alignment import align as align
    from framework.fusion.fusing import fuse as fuse
    from framework.fusion.merging.merging import merge as merge
    from framework.fusion.repair import reset_statistics as reset_statistics
    from framework.fusion.zipping import zipit as zipit

__all__ = ["MERGING", "METHODS", "align", "fuse", "merge", "reset_statistics", "zipit"]

__getattr__ = lazy(
    __name__,
    {
        "align": "framework.fusion.alignment",
        "fuse": "framework.fusion.fusing",
        "merge": "framework.fusion.merging.merging",
        "reset_statistics": "framework.fusion.repair",
        "zipit": "framework.fusion.zipping",
    },
)
