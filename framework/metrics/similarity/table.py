"""All measures of similarity of two arrays, as one table."""

import warnings
from typing import Any

import pandas as pd

from framework.metrics.similarity.angles import angles
from framework.metrics.similarity.cka import FEWEST, cka
from framework.metrics.similarity.inputs import MOST_ROWS, FewSamples, Rows, two_arrays, warn_of_few
from framework.metrics.similarity.mutual_knn import mutual_knn
from framework.metrics.similarity.null import Similarity
from framework.metrics.similarity.procrustes import procrustes
from framework.metrics.similarity.pwcca import pwcca
from framework.metrics.similarity.rsa import rsa
from framework.metrics.similarity.svcca import svcca

NEIGHBOURS = 10
COLUMNS = ("value", "null_mean", "null_std", "corrected", "p")


def similarities(x: Rows, y: Rows, *, null: int = 200, seed: int = 0) -> pd.DataFrame:
    """Two arrays (N, …) with rows of the same samples, by every measure with its defaults.

    Args:
        x: Of the first.
        y: Of the second.
        null: Permutations; 0 for none.
        seed: Of the permutations.

    Returns:
        A row for each measure (the index `measure`: cka, svcca, pwcca, rsa, procrustes, mutual_knn, and angle, the
        mean principal angle), with the columns of `COLUMNS`, and `better`, n, permutations and seed. Neighbours
        are 10, or half the samples where these are fewer than 20.

    Raises:
        InvalidInput: as `two_arrays`; fewer than 4 rows or more than 20,000.
    """
    first, second = two_arrays(x, y, fewest=FEWEST, most=MOST_ROWS, null=null)
    warn_of_few("similarities", len(first), max(first.shape[1], second.shape[1]))
    given: dict[str, Any] = {"null": null, "seed": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewSamples)  # said once for all
        found = [
            cka(first, second, **given),
            svcca(first, second, **given),
            pwcca(first, second, **given),
            rsa(first, second, **given),
            procrustes(first, second, **given),
            mutual_knn(first, second, k=min(NEIGHBOURS, len(first) // 2), **given),
            angles(first, second, **given).mean,
        ]
    return pd.DataFrame([_row(each) for each in found]).set_index("measure")


def _row(found: Similarity) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": found.metric.name} | {name: getattr(found, name) for name in COLUMNS}
    return row | {
        "better": found.metric.better,
        "n": found.n,
        "permutations": found.permutations,
        "seed": found.seed,
    }
