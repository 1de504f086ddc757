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
    from framework.metrics.similarity.angles import Angles as Angles
    from framework.metrics.similarity.angles import angles as angles
    from framework.metrics.similarity.cka import cka as cka
    from framework.metrics.similarity.inputs import FewSamples as FewSamples
    from framework.metrics.similarity.mutual_knn import mutual_knn as mutual_knn
    from framework.metrics.similarity.null import Similarity as Similarity
    from framework.metrics.similarity.procrustes import procrustes as procrustes
    from framework.metrics.similarity.pwcca import pwcca as pwcca
    from framework.metrics.similarity.rsa import rsa as rsa
    from framework.metrics.similarity.svcca import svcca as svcca
    from framework.metrics.similarity.table import similarities as similarities
    from framework.metrics.spaces import measure as measure

# No module of this package may bear one of these names: importing it would put the module in the name's place.
HOMES = {
    "Angles": "framework.metrics.similarity.angles",
    "FewSamples": "framework.metrics.similarity.inputs",
    "Similarity": "framework.metrics.similarity.null",
    "angles": "framework.metrics.similarity.angles",
    "cka": "framework.metrics.similarity.cka",
    "hessian_trace": "framework.metrics.curvature",
    "measure": "framework.metrics.spaces",
    "mutual_knn": "framework.metrics.similarity.mutual_knn",
    "procrustes": "framework.metrics.similarity.procrustes",
    "pwcca": "framework.metrics.similarity.pwcca",
    "rsa": "framework.metrics.similarity.rsa",
    "similarities": "framework.metrics.similarity.table",
    "svcca": "framework.metrics.similarity.svcca",
    "top_eigenvalue": "framework.metrics.curvature",
}

__all__ = [
    "Angles",
    "FewSamples",
    "Similarity",
    "angles",
    "cka",
    "hessian_trace",
    "measure",
    "mutual_knn",
    "procrustes",
    "pwcca",
    "rsa",
    "similarities",
    "svcca",
    "top_eigenvalue",
]

__getattr__ = lazy(__name__, HOMES)
