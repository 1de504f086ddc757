"""The layers that look at a whole batch, for ranks that have a share of it: batch normalisation and dropout.

torch's own SyncBatchNorm runs on GPUs alone and weighs a rank that has no image. Here the sums that the statistics
are made of are added up over all ranks, on whatever device, and each image counts once:

    mean = Σ x / n      var = Σ (x - mean)² / n      running var: var · n / (n - 1)

over all images and pixels of the batch. Dropout draws for the whole batch on each rank, and takes its own rows:
the states of the generators stay equal on all ranks, and on a CPU to those of one process.

Shapes: B images of a share, C channels.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed.nn.functional as together
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from framework.training.ranks import shares


def _added_up(values: Tensor) -> Tensor:
    """The sum over all ranks; gradients go back to each of them."""
    added: Tensor = together.all_reduce(values)  # type: ignore[no-untyped-call]
    return added


class _Shared(_BatchNorm):
    """Batch normalisation over the batch that the shares of all ranks make up."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or shares.now() is None:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        own = input if shares.counts() else input * 0
        pixels = input.numel() // input.shape[1] if shares.counts() else 0
        told = torch.cat([own.sum(axes), own.new_full((1,), pixels)])
        sums = _added_up(told)
        count = sums[-1].detach()
        mean_C = sums[:-1] / count
        centred = input - mean_C.view(shape)
        square_C = centred.square().sum(axes) if shares.counts() else (centred * 0).sum(axes)
        var_C = _added_up(square_C) / count
        self._remember(mean_C.detach(), var_C.detach() * count / (count - 1))
        normal: Tensor = centred / (var_C + self.eps).sqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal

    def _remember(self, mean_C: Tensor, var_C: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.mul_(1 - share).add_(mean_C, alpha=share)
        self.running_var.mul_(1 - share).add_(var_C, alpha=share)


class _Shared1d(_Shared, nn.BatchNorm1d):
    pass


class _Shared2d(_Shared, nn.BatchNorm2d):
    pass


class _Shared3d(_Shared, nn.BatchNorm3d):
    pass


class _SharedDropout(nn.Dropout):
    """Dropout that is drawn for the whole batch."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or shares.now() is None:
            return super().forward(input)
        return input * shares.kept_like(input, 1 - self.p).div_(1 - self.p) if self.p < 1 else input * 0


TOGETHER: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _Shared1d,
    nn.BatchNorm2d: _Shared2d,
    nn.BatchNorm3d: _Shared3d,
    nn.Dropout: _SharedDropout,
}


@contextmanager
def together_in(model: nn.Module) -> Iterator[None]:
    """Meanwhile the layers of `model` that look at a whole batch do so over all ranks. The weights stay."""
    changed = [(module, type(module)) for module in model.modules() if type(module) in TOGETHER]
    for module, kind in changed:
        module.__class__ = TOGETHER[kind]
    try:
        yield
    finally:
        for module, kind in changed:
            module.__class__ = kind
