"""The report of an experiment that defines none: its metrics by whatever its sweep varied."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pandas.api.types import is_bool_dtype, is_numeric_dtype
from pydantic.fields import FieldInfo

from framework.fields import is_replicate, leaf_fields
from framework.report.aggregate import aggregate
from framework.report.report import Report

if TYPE_CHECKING:
    from framework.tracking.results import Results


def by_factors(results: "Results") -> Report:
    """Mean, standard deviation and n of every metric, by the factors that the sweep varies.

    Seeds that are declared as replicates are averaged over; only finished runs count.
    """
    from framework.tracking.results import column_of

    fields = {column_of(name): info for name, info in leaf_fields(results.config)}
    factors = [name for name in results.factors if name in results.runs and not _replicate(fields, name)]
    runs = results.runs
    if "state" in runs:
        runs = runs[runs["state"] == "finished"]
    numeric = [name for name in results.metrics if is_numeric_dtype(runs[name]) and not is_bool_dtype(runs[name])]
    return Report(aggregate(runs, factors, numeric))


def _replicate(fields: Mapping[str, FieldInfo], name: str) -> bool:
    info = fields.get(name)
    return info is not None and is_replicate(info)
