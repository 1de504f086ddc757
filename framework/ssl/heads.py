"""Projection and prediction heads, on lightly's.

    projection, linear   Linear(D → F) with bias
    projection, mlp      Linear, batch normalisation and ReLU for each hidden width; Linear(→ F), normalised or not
    prediction           Linear, batch normalisation and ReLU for each hidden width; Linear(→ F) with bias

A linear layer has a bias where no normalisation follows it, which would take it away. The widths of each method
are in its config; `fixed` normalisation of the output, without scale and shift, is that of SimSiam.

Shapes: B images, D features, F numbers of a projection.
"""

from itertools import pairwise

from lightly.models.modules.heads import ProjectionHead  # type: ignore[import-untyped]
from torch import nn

from framework.ssl.config import Centred, Pairwise, projection_width
from framework.ssl.parts import LinearProjection, Predictor

Block = tuple[int, int, nn.Module | None, nn.Module | None]


def projection_head(method: Pairwise | Centred, num_features: int) -> nn.Module:
    """The head of a method from features (B, D) to projections (B, F)."""
    config, output = method.projection, projection_width(method)
    if isinstance(config, LinearProjection):
        return _head([(num_features, output, None, None)])
    widths = (num_features, *config.hidden)
    blocks = [_hidden(inputs, outputs, config.hidden_norm) for inputs, outputs in pairwise(widths)]
    return _head([*blocks, (widths[-1], output, _output_norm(config.output_norm, output), None)])


def prediction_head(config: Predictor, width: int) -> nn.Module:
    """A head from projections (B, F) to predictions (B, F)."""
    widths = (width, *config.hidden)
    blocks = [_hidden(inputs, outputs, True) for inputs, outputs in pairwise(widths)]
    return _head([*blocks, (widths[-1], width, None, None)])


def _head(blocks: list[Block]) -> nn.Module:
    head: nn.Module = ProjectionHead(blocks)
    return head


def _hidden(inputs: int, outputs: int, norm: bool) -> Block:
    return inputs, outputs, nn.BatchNorm1d(outputs) if norm else None, nn.ReLU()


def _output_norm(kind: str, width: int) -> nn.Module | None:
    return None if kind == "none" else nn.BatchNorm1d(width, affine=kind == "affine")
