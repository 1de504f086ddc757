"""How alike two arrays are: one measure a file, each with what unrelated arrays give (`null.py`).

    cka(x, y).value     of two arrays (N, …), numpy or torch, with rows of the same samples
    similarities(x, y)  every measure, as a table

`framework.metrics` offers the same names, and brings torch with them at first use only.
"""

from framework.metrics.similarity.angles import Angles, angles
from framework.metrics.similarity.cka import cka
from framework.metrics.similarity.inputs import FewSamples
from framework.metrics.similarity.mutual_knn import mutual_knn
from framework.metrics.similarity.null import Similarity
from framework.metrics.similarity.procrustes import procrustes
from framework.metrics.similarity.pwcca import pwcca
from framework.metrics.similarity.rsa import rsa
from framework.metrics.similarity.svcca import svcca
from framework.metrics.similarity.table import similarities

__all__ = [
    "Angles",
    "FewSamples",
    "Similarity",
    "angles",
    "cka",
    "mutual_knn",
    "procrustes",
    "pwcca",
    "rsa",
    "similarities",
    "svcca",
]
