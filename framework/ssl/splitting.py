"""Batch normalisation in groups of a batch, on lightly's: as on devices that do not share their statistics.

He, Fan, Wu, Xie and Girshick, "Momentum contrast for unsupervised visual representation learning", 2020, section
3.3: where all of a batch shares its statistics, they tell which images lie in it.

Shapes: B images, C channels, H x W pixels, S groups; image i belongs to group i mod S.
"""

from lightly.models.batchnorm import SplitBatchNorm  # type: ignore[import-untyped]
from torch import Tensor, nn

from framework.errors import ConfigError, Problem


class GroupedBatchNorm(SplitBatchNorm):  # type: ignore[misc]
    """lightly's, for any layout of the images in memory."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """The normalised images (B, C, H, W); B is a multiple of the number of groups while training."""
        normalised: Tensor = super().forward(images_BCHW.contiguous())  # it views groups as channels
        return normalised


def split_batch_norms(body: nn.Module, splits: int) -> None:
    """Put normalisation in `splits` groups in the place of each two-dimensional one, with its numbers.

    Raises:
        ConfigError: there is none, or one that is joined with something else.
    """
    if splits == 1:
        return
    found = [(name, layer) for name, layer in body.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    other = next((type(layer).__name__ for _, layer in found if type(layer) is not nn.BatchNorm2d), None)
    if not found or other:
        why = f"its normalisation is {other}" if other else "it has no BatchNorm2d"
        message = f"is {splits}, but this network cannot normalise in groups: {why}; set it to 1"
        raise ConfigError([Problem("backbone.splits", message)])
    for name, layer in found:
        parent, _, last = name.rpartition(".")
        setattr(body.get_submodule(parent), last, _grouped(layer, splits))


def _grouped(layer: nn.BatchNorm2d, splits: int) -> GroupedBatchNorm:
    grouped = GroupedBatchNorm(layer.num_features, splits, eps=layer.eps, momentum=layer.momentum)
    state = layer.state_dict()
    for name in ("running_mean", "running_var"):
        state[name] = state[name].repeat(splits)
    grouped.load_state_dict(state)
    return grouped
