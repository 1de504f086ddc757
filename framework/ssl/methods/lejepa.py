"""LeJEPA: all views of an image at one place, and projections with the distribution of an isotropic Gaussian.

Of the projections y_vb of all V views [1]:

    invariance   1/(V B F) Σ_v Σ_b ||y_vb - c_b||²,    c_b the mean of an image's global views               (1)
    SIGReg       the mean over views and random directions a, ||a|| = 1, of
                 B ∫ |φ_a(t) - exp(-t²/2)|² exp(-t²/2) dt,    φ_a(t) = 1/B Σ_b exp(i t a · y_vb)             (2)
    loss         (1 - λ) invariance + λ SIGReg,    λ = 0.05                                                  (3)

φ_a is the empirical characteristic function of a view's projections along a direction, exp(-t²/2) that of the
standard normal distribution: (2) is the statistic of Epps and Pulley, and 0 where the projections are normal
along every direction, which a collapse is not. The integral is by the trapezoidal rule at `knots` frequencies
up to `largest_frequency`. Here (1) is lightly's `lejepa_invariance_loss`, (2) its `SIGReg`; directions are
drawn from torch's seed in each step. There is neither predictor, stopped gradient, momentum nor negatives.

Where this departs from [1]:

    views     `global_views: null` has all views in the centre, as all are of one size here; a number has the first
              ones: with as many as lightly's `LeJEPALoss` is given, the loss is equal to it
    head      D-2048-2048 (batch normalisation, ReLU) -64, lightly's

[1] Balestriero and LeCun, "LeJEPA: provable and scalable self-supervised learning without the heuristics", 2025.

Shapes: V views, B images, D features, F numbers of a projection.
"""

from lightly.loss.lejepa_loss import SIGReg, lejepa_invariance_loss  # type: ignore[import-untyped]
from torch import Tensor

from framework.ssl.backbones import Backbone
from framework.ssl.config import LeJEPA
from framework.ssl.method import GATHERED, Method


class LeJEPAMethod(Method):
    """LeJEPA; see the module."""

    config: LeJEPA

    def __init__(self, config: LeJEPA, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.sigreg = SIGReg(
            knots=config.knots,
            t_max=config.largest_frequency,
            num_vectors=config.slices,
            gather_distributed=GATHERED,
        )

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The two parts of equation (3), with their weights; targets and predictions are the projections."""
        share, centre_VBF = self.config.regularisation, targets_VBF[: self.config.global_views]
        invariance = lejepa_invariance_loss(all_proj=predictions_VBF, global_proj=centre_VBF)
        return {"invariance": (1 - share) * invariance, "sigreg": share * self.sigreg(predictions_VBF)}
