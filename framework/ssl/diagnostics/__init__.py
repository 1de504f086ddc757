"""Diagnostics that need no labels: how features and projections are while a network learns. One measure a file.

    spread.py       standard deviation over batch, feature and view
    correlation.py, covariance.py   over batch, feature and view, within and across views (`slices.py`)
    rankme.py, alpha_req.py, lidar.py   effective rank, decay of the spectrum, rank of what tells images apart
    collapse.py     the line 1/√d, and a verdict

All are pure functions of arrays or tensors on any device, and compute in double precision. Importing this package
is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.ssl.diagnostics.correlation import correlations as correlations
    from framework.ssl.diagnostics.covariance import covariances as covariances
    from framework.ssl.diagnostics.spread import std_batch as std_batch
    from framework.ssl.diagnostics.spread import std_feature as std_feature
    from framework.ssl.diagnostics.spread import std_view as std_view

# No module of this package may bear one of these names: importing it would put the module in the name's place.
_HOMES = {
    "correlations": "framework.ssl.diagnostics.correlation",
    "covariances": "framework.ssl.diagnostics.covariance",
    "std_batch": "framework.ssl.diagnostics.spread",
    "std_feature": "framework.ssl.diagnostics.spread",
    "std_view": "framework.ssl.diagnostics.spread",
}

__all__ = ["correlations", "covariances", "std_batch", "std_feature", "std_view"]

__getattr__ = lazy(__name__, _HOMES)
