"""How alike two sets of latents of the same images are, one of them held against many others.

    CKA      debiased, for the linear kernel: equations (1) and (4) of `similarity/cka.py`
    angles   the principal angles between the spaces that the centred columns span: `similarity/angles.py`

Both need products of the size of the latents only, so that comparing many mappings with one target is cheap: what
belongs to the target is computed once, and there are no permutations. In their place stands what unrelated latents
have on average: a CKA of 0, and the angle of `expected_angle`. All is computed in float64. Knows no model. For two
arrays once, with a null, take `framework.metrics.cka` and its like.

Shapes: N images, D and E latent dimensions, R the smaller of the two ranks.
"""

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from framework.metrics.metric import Metric
from framework.metrics.similarity.angles import ANGLE, expected_angle
from framework.metrics.similarity.cka import CKA, FEWEST, hsic, ratio
from framework.metrics.similarity.directions import present
from framework.metrics.similarity.inputs import centred

__all__ = [
    "ANGLE",
    "CKA",
    "COSINE",
    "DISTANCE",
    "Comparison",
    "Representation",
    "cosine_per_image",
    "distance_per_image",
]

DISTANCE = Metric(
    name="latent_distance", unit="Euclidean, in units of the latents", better="lower", reduction="mean over images"
)

COSINE = Metric(
    name="latent_cosine",
    unit="cosine of the angle between two latents",
    better="higher",
    reduction="mean over images",
)


class Comparison(TypedDict):
    """What `Representation.compare` finds.

    `cka` is debiased, NaN where latents are constant or fewer than 4; `angles` are in radians, (R,) float64, the
    smallest first; `angle_null` is the angle of unrelated latents of these ranks, in radians, NaN without angles.
    """

    cka: float
    angles: Tensor
    angle_null: float


class Representation:
    """Latents (N, E), with which others of the same images are compared."""

    def __init__(self, latents_NE: Tensor) -> None:
        self._centred_NE = centred(latents_NE.double())
        gram_EE = self._centred_NE.t() @ self._centred_NE
        self._lengths_N = self._centred_NE.square().sum(dim=1)
        self._norm = _norm(gram_EE, self._lengths_N)
        self._whitening_ER = _whitening(gram_EE)

    def compare(self, others_ND: Tensor) -> Comparison:
        """Latents (N, D) of the same images, in the same order, beside these.

        Angles are right to about 1e-7 rad; equal spaces have angles of that size rather than 0.
        """
        centred_ND = centred(others_ND.double())
        gram_DD = centred_ND.t() @ centred_ND
        cross_DE = centred_ND.t() @ self._centred_NE
        lengths_N = centred_ND.square().sum(dim=1)
        cka = float("nan")
        if len(lengths_N) >= FEWEST:
            cross = hsic(float(cross_DE.square().sum()), lengths_N, self._lengths_N, debiased=True)
            cka = ratio(cross, _norm(gram_DD, lengths_N), self._norm)
        whitening_DR = _whitening(gram_DD)
        ranks = whitening_DR.shape[1], self._whitening_ER.shape[1]
        cosines_R = torch.linalg.svdvals(whitening_DR.t() @ cross_DE @ self._whitening_ER)
        return {
            "cka": cka,
            "angles": cosines_R.clamp(max=1).acos().cpu(),
            "angle_null": expected_angle(len(lengths_N), *ranks),
        }


def distance_per_image(latents_NE: Tensor, others_NE: Tensor) -> Tensor:
    """The Euclidean distance between two latents of each image, (N,)."""
    distances_N: Tensor = torch.linalg.vector_norm(latents_NE - others_NE, dim=1)
    return distances_N


def cosine_per_image(latents_NE: Tensor, others_NE: Tensor) -> Tensor:
    """The cosine of the angle between two latents of each image, seen from the origin, (N,); 0 if one is zero."""
    cosines_N: Tensor = F.cosine_similarity(latents_NE, others_NE, dim=1)
    return cosines_N


def _norm(gram_EE: Tensor, lengths_N: Tensor) -> float:
    """HSIC of latents with themselves."""
    if len(lengths_N) < FEWEST:
        return 0.0
    return hsic(float(gram_EE.square().sum()), lengths_N, lengths_N, debiased=True)


def _whitening(gram_EE: Tensor) -> Tensor:
    """V Λ^(-1/2) of the directions that are there, (E, rank)."""
    variances_R, directions_ER = present(gram_EE)
    whitening_ER: Tensor = directions_ER / variances_R.sqrt()
    return whitening_ER
