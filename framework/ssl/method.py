"""What every self-supervised method is: images to features, features to projections, views to a loss.

    views (V, B, C, H, W) --encode--> features (V, B, D) --project--> projections (V, B, F) --loss--> a number

Each view goes through the network by itself, so that batch normalisation takes its statistics of one view, as in
the methods' papers and in lightly. The loss is computed in single precision at least, also where the network is
not. Where several processes train one model, each with its share of a batch, the mean of their losses and of
their gradients is that of the whole batch, but for what batch normalisation sees. Knows no data and no training.

Shapes: V views, B images, C channels, H x W pixels, D features, F numbers of a projection.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lightly.utils import dist  # type: ignore[import-untyped]
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.ssl.backbones import Backbone
from framework.ssl.config import Centred, Pairwise
from framework.ssl.cube import CubeLoss
from framework.ssl.heads import projection_head

GATHERED = torch.distributed.is_available()
"""Whether lightly's losses take the batches of all processes together, where there are several."""


@dataclass(frozen=True)
class Losses:
    """The loss of one batch.

    `total` is to be minimised, and is the sum of `parts`, which have their weights in them. Parts, `features`
    (V, B, D) and `projections` (V, B, F; before a predictor) are to look at, without gradients.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    features: Tensor
    projections: Tensor


class Method(nn.Module, ABC):
    """A backbone and a projection head, and how they are trained without labels."""

    def __init__(self, config: Pairwise | Centred, backbone: Backbone) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.projection = projection_head(config, backbone.num_features)
        self.cube = CubeLoss(config.cube)

    @property
    def num_features(self) -> int:
        """D, the width of the features."""
        return self.backbone.num_features

    def encode(self, images_BCHW: Tensor) -> Tensor:
        """Features (B, D) of images (B, C, H, W).

        Raises:
            InvalidInput: the images have another type of numbers than the weights.
        """
        self._refuse_types("images", [images_BCHW])
        features_BD: Tensor = self.backbone(images_BCHW)
        return features_BD

    def project(self, features_BD: Tensor) -> Tensor:
        """Projections (B, F) of features (B, D)."""
        projections_BF: Tensor = self.projection(features_BD)
        return projections_BF

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Features (B, D) of images (B, C, H, W), as `encode`."""
        return self.encode(images_BCHW)

    def loss(self, views: Sequence[Tensor] | Tensor, step: int = 0, steps: int | None = None) -> Losses:
        """The loss of the views of one batch: V tensors (B, C, H, W), or one (V, B, C, H, W).

        `step` counts from 0, of `steps` in all: schedules follow them, and stay at their end after the last. Where
        it is not known how many there are (None), what a schedule begins with is kept.

        Raises:
            InvalidInput: there are other than the config's views, or they do not belong together; views of another
                size than the backbone takes, or of another type of numbers than its weights; a single image; a
                batch that normalisation in groups cannot share out.
        """
        self._refuse(views)
        features = [self.encode(view) for view in views]
        projections_VBF = torch.stack([self.project(feature) for feature in features])
        targets_VBF = self.targets(views, projections_VBF, step, steps)
        predictions_VBF = torch.stack([self.predict(projections_BF) for projections_BF in projections_VBF])
        with uncast(projections_VBF):
            parts = self.compare(precise(targets_VBF), precise(predictions_VBF))
            if self.cube.weights:
                parts["cube"] = self.cube(precise(projections_VBF))
            total = torch.stack(list(parts.values())).sum()
        return Losses(
            total,
            {name: part.detach() for name, part in parts.items()},
            torch.stack(features).detach(),
            projections_VBF.detach(),
        )

    def targets(self, views: Iterable[Tensor], projections_VBF: Tensor, step: int, steps: int | None) -> Tensor:
        """What the views are compared with, (V, B, F). Default: their own projections."""
        del views, step, steps
        return projections_VBF

    def predict(self, projections_BF: Tensor) -> Tensor:
        """Predictions (B, F) of targets. Default: the projections (B, F) themselves."""
        return projections_BF

    @abstractmethod
    def compare(self, targets_VBF: Tensor, predictions_VBF: Tensor) -> dict[str, Tensor]:
        """The parts of the loss by name, each with its weight in it."""

    def after_step(self) -> None:
        """What has to be done once the optimiser has taken a step. Default: nothing."""

    def _refuse(self, views: Any) -> None:
        expected, channels = self.config.views, self.backbone.image_shape[0]
        if len(views) != expected:
            message = f"there are {len(views)}; allowed: {expected}, as in the method's config"
            raise InvalidInput([Problem("views", message)])
        if wrong := [type(view).__name__ for view in views if not isinstance(view, Tensor)]:
            raise InvalidInput([Problem("views", f"are {', '.join(wrong)}; allowed: tensors (B, C, H, W)")])
        shapes = [tuple(view.shape) for view in views]
        if any(len(shape) != 4 or shape[1] != channels or shape[0] != shapes[0][0] for shape in shapes):
            message = (
                f"have the shapes {', '.join(map(str, shapes))}; allowed: (B, {channels}, H, W), B of all equal"
            )
            raise InvalidInput([Problem("views", message)])
        self._refuse_sizes(shapes)
        self._refuse_types("views", views)
        images = shapes[0][0]
        if images < 2:
            message = f"has {images} image, and all methods compare images with one another; allowed: 2 or more"
            raise InvalidInput([Problem("batch", message)])
        splits = self.backbone.splits
        if self.training and images % splits:
            message = f"has {images} images; allowed: a multiple of backbone.splits, {splits}"
            raise InvalidInput([Problem("batch", message)])

    def _refuse_sizes(self, shapes: Sequence[tuple[int, ...]]) -> None:
        taken = tuple(self.backbone.image_shape)
        if self.backbone.one_size and any(shape[1:] != taken for shape in shapes):
            message = (
                f"have the shapes {', '.join(map(str, shapes))}, and the backbone takes images of one size; "
                f"allowed: (B, {', '.join(map(str, taken))}), or a backbone for another image_shape"
            )
            raise InvalidInput([Problem("views", message)])

    def _refuse_types(self, key: str, all_images: Iterable[Tensor]) -> None:
        weights = next((w.dtype for w in self.backbone.parameters() if w.is_floating_point()), torch.float32)
        for images in all_images:
            if images.dtype == weights or (_is_cast(images) and images.is_floating_point()):
                continue
            advice = f"{key}.float() / 255" if images.dtype == torch.uint8 else f"{key}.to({weights})"
            message = f"have {images.dtype}, and the weights {weights}; allowed: {weights}, for instance {advice}"
            raise InvalidInput([Problem(key, message)])


def _is_cast(numbers: Tensor) -> bool:
    """Whether autocasting brings these numbers to the precision of what they meet; double precision it leaves."""
    kind = numbers.device.type
    known = torch.amp.is_autocast_available(kind)
    return known and numbers.dtype != torch.float64 and torch.is_autocast_enabled(kind)


def precise(numbers: Tensor) -> Tensor:
    """The numbers in single precision, where they have less."""
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers


def gathered(numbers: Tensor, axis: int = 0) -> Tensor:
    """The numbers of all processes that train together, along the axis of the images; gradients flow back."""
    return torch.cat(dist.gather(numbers), axis) if dist.world_size() > 1 else numbers


def uncast(like: Tensor) -> AbstractContextManager[Any]:
    """No autocasting on the device of `like`."""
    kind = like.device.type
    if not torch.amp.is_autocast_available(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)
