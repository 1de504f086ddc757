"""VISReg: all views of an image at one place; centre, scale and shape of the projections each by its own term.

Of the projections y_vb of all V views [1, equations (1), (2), (5), (6) and (8), algorithm 1], with ȳ and s the
mean and the standard deviation of each number over the batch of a view, B in its denominator, and means over
views:

    scale        1/F Σ_f (1 - s_f)²                                                                          (1)
    shape        the squared 2-Wasserstein distance of a · (y_b - ȳ) / stop(s) to the standard normal distribution,
                 by its quantiles at i / (B + 1), as a mean over random directions a, ||a|| = 1              (2)
    centre       1/F Σ_f ȳ_f²                                                                                (3)
    invariance   1/(V B F) Σ_v Σ_b ||y_vb - c_b||²,    c_b the mean of an image's global views               (4)
    loss         (1 - λ) invariance + λ (w_scale scale + w_shape shape + w_centre centre)                    (5)

No gradient flows through stop(s), so that shape leaves the scale alone. Between numbers in order and quantiles
the distance of (2) is a mean of squares, with no matching to be found. Here (1) to (3) are lightly's
`visreg_*_loss`, (4) is its `lejepa_invariance_loss`; directions are drawn from torch's seed in each step. There
is neither predictor, momentum nor negatives.

Where this departs from [1]:

    views     `global_views: null` has all views in the centre, as all are of one size here; a number has the first
              ones: with as many as lightly's `VISRegLoss` is given, the loss is equal to it
    λ, w      0.6, what [1] has for small data sets (0.9 for large ones), and all w = 1
    ranks     where several processes train together, each takes all their projections
    head      D-2048-2048 (batch normalisation, ReLU) -64, as LeJEPA's here

[1] Wu and others, "VISReg", 2026.

Shapes: V views, B images, D features, F numbers of a projection.
"""

from lightly.loss.lejepa_loss import lejepa_invariance_loss  # type: ignore[import-untyped]
from lightly.loss.visreg_loss import (  # type: ignore[import-untyped]
    visreg_center_loss,
    visreg_scale_loss,
    visreg_shape_loss,
)
from torch import Tensor

from framework.ssl.config import VISReg
from framework.ssl.method import Method, gathered


class VISRegMethod(Method):
    """VISReg; see the module."""

    config: VISReg

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The four parts of equation (5), with their weights; targets and predictions are the projections."""
        config, share = self.config, self.config.regularisation
        centre_VBF = targets_VBF[: config.global_views]
        invariance = lejepa_invariance_loss(all_proj=predictions_VBF, global_proj=centre_VBF)
        y_VBF = gathered(predictions_VBF, 1)
        shape = visreg_shape_loss(y_VBF, num_slices=config.slices)
        return {
            "invariance": (1 - share) * invariance,
            "scale": share * config.scale_weight * visreg_scale_loss(y_VBF),
            "shape": share * config.shape_weight * shape,
            "centre": share * config.centre_weight * visreg_center_loss(y_VBF),
        }
