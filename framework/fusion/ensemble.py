"""The prediction ensemble: the models stay apart, and the mean of their logits speaks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Σ_k share_k f_k(inputs): one forward pass of each model."""

    def __init__(self, models: Sequence[nn.Module], shares: Sequence[float]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.shares = tuple(shares)

    def forward(self, inputs: Tensor) -> Tensor:
        """The weighted mean of what the models give."""
        outputs = [model(inputs) for model in self.models]
        return torch.stack([share * one for share, one in zip(self.shares, outputs, strict=True)]).sum(0)
