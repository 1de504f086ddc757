"""Reports: views of tidy tables, as a table to read and figures to print.

Importing this package is light; the names below bring pandas with them at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework.report.aggregate import aggregate as aggregate
    from framework.report.factors import by_factors as by_factors
    from framework.report.report import Report as Report

_HOMES = {
    "Report": "framework.report.report",
    "aggregate": "framework.report.aggregate",
    "by_factors": "framework.report.factors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
