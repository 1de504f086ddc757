"""Tables with a target column: shipped, from a file, or written by `preprocess`; split, and made features of.

Importing this package is light; the names below bring pandas and scikit-learn with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.data.tabular.config import TableConfig as TableConfig
    from framework.data.tabular.loading import Part as Part
    from framework.data.tabular.loading import TableData as TableData
    from framework.data.tabular.loading import load_table as load_table
    from framework.data.tabular.preprocessing import preprocess as preprocess

_HOMES = {
    "TableConfig": "framework.data.tabular.config",
    "Part": "framework.data.tabular.loading",
    "TableData": "framework.data.tabular.loading",
    "load_table": "framework.data.tabular.loading",
    "preprocess": "framework.data.tabular.preprocessing",
}

__getattr__ = lazy(__name__, _HOMES)
