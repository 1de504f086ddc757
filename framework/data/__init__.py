"""Data: image sets in three disjoint splits, and strategies that pick samples from them.

Importing this package is light; the names below bring torch with them at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.data.sampling import STRATEGIES as STRATEGIES
    from framework.data.vision import ImageSet as ImageSet
    from framework.data.vision import Splits as Splits
    from framework.data.vision import load_splits as load_splits

_HOMES = {
    "STRATEGIES": "framework.data.sampling",
    "ImageSet": "framework.data.vision",
    "Splits": "framework.data.vision",
    "load_splits": "framework.data.vision",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
