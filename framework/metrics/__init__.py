"""Metrics: each declares its unit, its direction and its reduction.

Two arrays are held against one another in one line, and so is a classifier against its data:

    cka(x, y), similarities(x, y)           `similarity/`, each measure with its null
    hessian_trace(model, data), top_eigenvalue(model, data), measure(model, data)

Importing this package is light; the names below bring torch with them at first use.
"""

from typing import TYPE_CHECKING

from framework.lazy import lazy

if TYPE_CHECKING:
    from framework.metrics.curvature import hessian_trace as hessian_trace
    from framework.metrics.curvature import top_eigenvalue as top_eigenvalue
    from framework.metrics.similarity import Angles as Angles
    from framework.metrics.similarity import FewSamples as FewSamples
    from framework.metrics.similarity import Similarity as Similarity
    from framework.metrics.similarity import angles as angles
    from framework.metrics.similarity import cka as cka
    from framework.metrics.similarity import mutual_knn as mutual_knn
    from framework.metrics.similarity import procrustes as procrustes
    from framework.metrics.similarity import pwcca as pwcca
    from framework.metrics.similarity import rsa as rsa
    from framework.metrics.similarity import similarities as similarities
    from framework.metrics.similarity import svcca as svcca
    from framework.metrics.spaces import measure as measure

_SUITE = ("Angles", "FewSamples", "Similarity", "angles", "cka", "mutual_knn", "procrustes", "pwcca", "rsa")

# No module of this package may bear one of these names: importing it would put the module in the name's place.
HOMES = {
    **dict.fromkeys((*_SUITE, "similarities", "svcca"), "framework.metrics.similarity"),
    **dict.fromkeys(("hessian_trace", "top_eigenvalue"), "framework.metrics.curvature"),
    "measure": "framework.metrics.spaces",
}

__getattr__ = lazy(__name__, HOMES)
