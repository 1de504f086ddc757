"""VISReg: all views of an image at one place; centre, scale and shape of the projections each by its own term.

Wu and others, "VISReg", 2026, equations (1), (2), (5), (6) and (8) and algorithm 1, with lightly's
`visreg_*_loss` and `lejepa_invariance_loss`; means over views, deviations s over the batch with B in the
denominator:

    invariance   1/(V B F) Σ_v Σ_b ||y_vb - c_b||²,    c_b the mean over the global views
    scale        1/F Σ_f (1 - s_f)²
    shape        the squared 2-Wasserstein distance of a · (y_b - ȳ) / s to a Gaussian, by its quantiles at
                 i / (B + 1), over random directions a; without the gradient of s
    centre       1/F Σ_f ȳ_f²
    loss         (1 - λ) invariance + λ (w_scale scale + w_shape shape + w_centre centre),    λ = 0.6, all w = 1
    head         D-2048-2048 (batch normalisation, ReLU) -64, as LeJEPA's

There is neither predictor, stopped gradient nor momentum. `global_views: null` has all views in the centre; a
number those many, the first ones: with as many as lightly's `VISRegLoss` is given, the loss is equal to it.
Directions are drawn from torch's seed in each step.

Shapes: V views, B images, F numbers of a projection.
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
        """Invariance, scale, shape and centre; targets and predictions are the projections."""
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
