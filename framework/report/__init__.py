"""Reports: views of tidy tables, as a table to read and figures to print.

Importing this package is light; the names below bring pandas with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.report.aggregate import aggregate as aggregate
    from framework.report.factors import by_factors as by_factors
    from framework.report.report import Report as Report

_HOMES = {
    "Report": "framework.report.report",
    "aggregate": "framework.report.aggregate",
    "by_factors": "framework.report.factors",
}

__getattr__ = lazy(__name__, _HOMES)
