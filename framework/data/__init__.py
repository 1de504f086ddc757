"""Data: image sets in three disjoint splits, and strategies that pick samples from them.

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.data.fractions import digest as digest
    from framework.data.fractions import nested as nested
    from framework.data.sampling import STRATEGIES as STRATEGIES
    from framework.data.sampling import Candidates as Candidates
    from framework.data.tabular.loading import load_table as load_table
    from framework.data.tabular.preprocessing import preprocess as preprocess
    from framework.data.vision import ImageSet as ImageSet
    from framework.data.vision import Splits as Splits
    from framework.data.vision import load_pixels as load_pixels
    from framework.data.vision import load_splits as load_splits

_HOMES = {
    "STRATEGIES": "framework.data.sampling",
    "Candidates": "framework.data.sampling",
    "digest": "framework.data.fractions",
    "load_table": "framework.data.tabular.loading",
    "preprocess": "framework.data.tabular.preprocessing",
    "nested": "framework.data.fractions",
    "ImageSet": "framework.data.vision",
    "Splits": "framework.data.vision",
    "load_pixels": "framework.data.vision",
    "load_splits": "framework.data.vision",
}

__getattr__ = lazy(__name__, _HOMES)
