"""LeJEPA: all views of an image at one place, and projections with the distribution of an isotropic Gaussian.

Balestriero and LeCun, "LeJEPA: provable and scalable self-supervised learning without the heuristics", 2025, with
lightly's `SIGReg` and `lejepa_invariance_loss`:

    invariance   1/(V B F) Σ_v Σ_b ||y_vb - c_b||²,    c_b the mean over the global views
    SIGReg       the mean over views and random directions a of B ∫ |φ_a(t) - exp(-t²/2)|² exp(-t²/2) dt, with φ_a
                 the empirical characteristic function of a view's a · y_vb, by the trapezoidal rule
    loss         (1 - λ) invariance + λ SIGReg,    λ = 0.05
    head         D-2048-2048 (batch normalisation, ReLU) -64

There is neither predictor, stopped gradient nor momentum. `global_views: null` has all views in the centre; a
number those many, the first ones: with as many as lightly's `LeJEPALoss` is given, the loss is equal to it.
Directions are drawn from torch's seed in each step.

Shapes: V views, B images, F numbers of a projection.
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
        """Invariance and SIGReg; targets and predictions are the projections."""
        share, centre_VBF = self.config.regularisation, targets_VBF[: self.config.global_views]
        invariance = lejepa_invariance_loss(all_proj=predictions_VBF, global_proj=centre_VBF)
        return {"invariance": (1 - share) * invariance, "sigreg": share * self.sigreg(predictions_VBF)}
