"""The machine of the methods that compare views in pairs: targets z, predictions p, a loss of a pair, a strategy.

    f_i = encoder(x_i)       y_i = projection(f_i)        p_i = predictor(y_i), or y_i without one
    z_i = y_i, or with a momentum encoder projection_ξ(encoder_ξ(x_i)); without gradient where that is stopped
    loss = strategy(d, z, p)
    after each step   ξ ← m ξ + (1 - m) θ

θ are the weights of encoder and projection; ξ begins as a copy of them. The momentum m is constant or, as in
Grill et al., "Bootstrap your own latent", 2020, section 3.3, goes from its first value to 1 by a cosine over the
steps; where it is not known how many steps there are, it keeps its first value. The momentum encoder normalises
by the batch while training, as the other does. A method is a loss d(z, p) of targets and predictions (B, F), and
defaults.

Without stopped gradients and momentum the minimum of SimSiam's and BYOL's losses is a collapse: all images at one
place (Chen and He, "Exploring simple siamese representation learning", 2021, section 4.1).

Shapes: V views, B images, F numbers of a projection.
"""

import copy
from abc import abstractmethod
from collections.abc import Iterable

import torch
from lightly.models.utils import (  # type: ignore[import-untyped]
    batch_shuffle,
    batch_unshuffle,
    deactivate_requires_grad,
    update_momentum,
)
from lightly.utils.scheduler import cosine_schedule  # type: ignore[import-untyped]
from torch import Tensor, nn

from framework.ssl.backbones import Backbone
from framework.ssl.config import Pairwise, projection_width
from framework.ssl.heads import prediction_head
from framework.ssl.method import Method
from framework.ssl.strategies import combine


class PairMethod(Method):
    """A method with a loss of a pair; `term` is that loss's name among the parts."""

    term: str
    config: Pairwise

    def __init__(self, config: Pairwise, backbone: Backbone) -> None:
        super().__init__(config, backbone)
        self.predictor: nn.Module = nn.Identity()
        if config.predictor is not None:
            self.predictor = prediction_head(config.predictor, projection_width(config))
        self.momentum = config.momentum
        if config.momentum is not None:
            self.target_backbone = copy.deepcopy(self.backbone)
            self.target_projection = copy.deepcopy(self.projection)
            deactivate_requires_grad(self.target_backbone)
            deactivate_requires_grad(self.target_projection)

    @abstractmethod
    def pair_loss(self, targets_BF: Tensor, predictions_BF: Tensor) -> Tensor:
        """The loss d(z, p) of one target and one prediction of each image (B, F)."""

    def targets(self, views: Iterable[Tensor], projections_VBF: Tensor, step: int, steps: int | None) -> Tensor:
        """Targets z (V, B, F)."""
        if self.config.momentum is not None:
            self.momentum = self.momentum_at(step, steps)
            return torch.stack([self._target(view) for view in views])
        return projections_VBF.detach() if self.config.stop_gradient else projections_VBF

    def predict(self, projections_BF: Tensor) -> Tensor:
        """Predictions p (B, F) of projections y (B, F)."""
        predictions_BF: Tensor = self.predictor(projections_BF)
        return predictions_BF

    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The loss of the strategy."""
        return {self.term: combine(self.config.strategy, self.pair_loss, targets_VBF, predictions_VBF)}

    def momentum_at(self, step: int, steps: int | None) -> float:
        """The momentum m of a step that is counted from 0; after the last step it is that of the last.

        A schedule ends at 1 in the last step. Where the number of steps is not known (None), m is constant.
        """
        start = self.config.momentum
        if start is None:
            return 0.0
        if self.config.momentum_schedule == "constant" or steps is None:
            return start
        return float(cosine_schedule(min(step, steps), steps, start, 1.0))

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the momentum encoder."""
        if self.momentum is not None:
            update_momentum(self.backbone, self.target_backbone, self.momentum)
            update_momentum(self.projection, self.target_projection, self.momentum)

    @torch.no_grad()
    def _target(self, view_BCHW: Tensor) -> Tensor:
        # Where a batch is normalised in groups, another grouping of the targets keeps their statistics from
        # telling which image is which.
        shuffled = self.training and self.target_backbone.splits > 1
        order = None
        if shuffled:
            view_BCHW, order = batch_shuffle(view_BCHW)
        target_BF: Tensor = self.target_projection(self.target_backbone(view_BCHW))
        return target_BF if order is None else batch_unshuffle(target_BF, order)
