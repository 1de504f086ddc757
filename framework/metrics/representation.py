"""How alike two sets of latents of the same images are.

Of latents X (N, D) and Y (N, E), with their columns centred over the images,

    CKA(X, Y) = ||Yᵀ X||² / (||Xᵀ X|| ||Yᵀ Y||)           Frobenius norms; linear kernel [1, section 3]         (1)
    cos θ_i = σ_i(Qxᵀ Qy),  Qx = X Vx Λx^(-1/2),  Xᵀ X = Vx Λx Vxᵀ                     [2, section 6.4.3]       (2)

θ are the principal angles between the spaces that the columns span, whose cosines are the canonical correlations.
Both need products of the size of the latents only, so that comparing many mappings with one target is cheap. All
is computed in float64. Knows no model.

[1] Kornblith, Norouzi, Lee and Hinton, "Similarity of neural network representations revisited", 2019.
[2] Golub and Van Loan, "Matrix computations", 4th edition, 2013.

Shapes: N images, D and E latent dimensions, R the smaller of the two ranks.
"""

from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from framework.metrics.metric import Metric

CKA = Metric(
    name="cka",
    unit="none, in [0, 1], 1 for latents that are equal up to rotation, scale and shift",
    better="higher",
    reduction="one number for all images",
)

ANGLE = Metric(
    name="angle",
    unit="radians, in [0, π/2]",
    better="lower",
    reduction="one number for all images and each pair of directions",
)

DISTANCE = Metric(
    name="latent_distance", unit="Euclidean, in units of the latents", better="lower", reduction="mean over images"
)

COSINE = Metric(
    name="latent_cosine",
    unit="cosine of the angle between two latents",
    better="higher",
    reduction="mean over images",
)

# Directions with less than this share of the largest variance count as absent. Latents in float32 of a lower rank
# than their size have 1e-14 there.
RANK_CUTOFF = 1e-10


class Comparison(TypedDict):
    """Similarity (1), NaN where latents are constant; angles (2) in radians, (R,) float64, the smallest first."""

    cka: float
    angles: Tensor


class Representation:
    """Latents (N, E), with which others of the same images are compared."""

    def __init__(self, latents_NE: Tensor) -> None:
        self._centred_NE = _centred(latents_NE)
        gram_EE = self._centred_NE.t() @ self._centred_NE
        self._norm = float(gram_EE.norm())
        self._whitening_ER = _whitening(gram_EE)

    def compare(self, others_ND: Tensor) -> Comparison:
        """Latents (N, D) of the same images, in the same order, beside these.

        Angles are right to about 1e-7 rad; equal spaces have angles of that size rather than 0.
        """
        centred_ND = _centred(others_ND)
        gram_DD = centred_ND.t() @ centred_ND
        cross_DE = centred_ND.t() @ self._centred_NE
        norms = float(gram_DD.norm()) * self._norm
        cka = float(cross_DE.square().sum()) / norms if norms else float("nan")  # (1)
        cosines_R = torch.linalg.svdvals(_whitening(gram_DD).t() @ cross_DE @ self._whitening_ER)
        return {"cka": cka, "angles": cosines_R.clamp(max=1).acos().cpu()}  # (2)


def distance_per_image(latents_NE: Tensor, others_NE: Tensor) -> Tensor:
    """The Euclidean distance between two latents of each image, (N,)."""
    distances_N: Tensor = torch.linalg.vector_norm(latents_NE - others_NE, dim=1)
    return distances_N


def cosine_per_image(latents_NE: Tensor, others_NE: Tensor) -> Tensor:
    """The cosine of the angle between two latents of each image, seen from the origin, (N,); 0 if one is zero."""
    cosines_N: Tensor = F.cosine_similarity(latents_NE, others_NE, dim=1)
    return cosines_N


def _centred(latents_NE: Tensor) -> Tensor:
    latents = latents_NE.double()
    return latents - latents.mean(dim=0)


def _whitening(gram_EE: Tensor) -> Tensor:
    """V Λ^(-1/2) of the directions that are there, (E, rank)."""
    variances_E, directions_EE = torch.linalg.eigh(gram_EE)
    there_E = variances_E > RANK_CUTOFF * variances_E[-1]
    whitening_ER: Tensor = directions_EE[:, there_E] / variances_E[there_E].sqrt()
    return whitening_ER
