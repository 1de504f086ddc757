"""A layer's input as rows: each unfolded kernel position one row, all of them or as many as are drawn.

Positions are drawn before a kernel is unfolded, so that no more rows than asked for are ever made, and these
`CHUNK` bytes at a time.

Shapes: S rows (inputs and positions), I columns of a layer's input (its kernel unfolded).
"""

import math
import sys
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 2**26  # bytes of rows, or of a layer's inputs, at a time


def rows_of_layer(layer: Any, values: Tensor) -> Tensor:
    """All of the layer's input (N, …) as rows (S, I), its kernel unfolded."""
    positions = Positions(layer, values, 1, sys.maxsize, torch.Generator())
    return positions.rows_at(values, torch.arange(len(values) * positions.every))


class Positions:
    """Which rows of a layer's input are looked at: all, or as many of each input, drawn at random."""

    def __init__(self, layer: Any, one: Tensor, number: int, most_rows: int, generator: torch.Generator) -> None:
        self.layer, self.generator = layer, generator
        self.linear = isinstance(layer, nn.Linear)
        self.size = one[0, ..., 0].shape if self.linear else _map_size(layer, one)
        every = math.prod(self.size)
        per_input = min(every, max(1, most_rows // number))
        self.every, self.per_input, self.rows = every, per_input, number * per_input
        self.width = layer.weight[0].numel() * one.element_size()

    def chunks(self, number: int) -> Iterator[Tensor]:
        """Of a batch of inputs the rows to look at, as numbers of positions input by input, `CHUNK` at a time."""
        if self.per_input == self.every:
            chosen_S = torch.arange(number * self.every)
        else:
            draws = torch.rand(number, self.every, generator=self.generator)
            start_N1 = torch.arange(number)[:, None] * self.every
            chosen_S = (start_N1 + draws.topk(self.per_input, dim=1).indices).flatten()
        yield from torch.split(chosen_S, max(1, CHUNK // self.width))

    def rows_at(self, values: Tensor, at: Tensor) -> Tensor:
        """The rows (S, I) that stand at these positions; nothing else is unfolded."""
        at = at.to(values.device)
        if self.linear:
            return values.flatten(0, -2)[at]
        layer = self.layer
        padded = F.pad(values, _padding(layer))
        image_S, place_S = at // self.every, at % self.every
        top_S, left_S = place_S // self.size[1] * layer.stride[0], place_S % self.size[1] * layer.stride[1]
        down, across = (
            torch.arange(k, device=at.device) * d for k, d in zip(layer.kernel_size, layer.dilation, strict=True)
        )
        y_Sk, x_Sk = top_S[:, None] + down, left_S[:, None] + across
        patches_SkkC = padded.movedim(1, -1)[image_S[:, None, None], y_Sk[:, :, None], x_Sk[:, None, :]]
        return patches_SkkC.movedim(-1, 1).flatten(1)


def _padding(layer: Any) -> list[int]:
    """As `F.pad` takes it: left, right, top, bottom."""
    if not isinstance(layer.padding, str):
        return [side for pad in reversed(layer.padding) for side in (pad, pad)]
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    return [side for t in reversed(total) for side in (t // 2, t - t // 2)]


def _map_size(layer: Any, one: Tensor) -> tuple[int, ...]:
    left, right, top, bottom = _padding(layer)
    sides = (one.shape[2] + top + bottom, one.shape[3] + left + right)
    return tuple(
        (side - dilation * (kernel - 1) - 1) // stride + 1
        for side, dilation, kernel, stride in zip(
            sides, layer.dilation, layer.kernel_size, layer.stride, strict=True
        )
    )
