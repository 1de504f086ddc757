"""DARE: most of what fine-tuning changed is dropped at random, and the rest made larger.

    m_k ~ Bernoulli(p),    τ̂_k = (1 - m_k) τ_k / (1 - p)                                                        (1)

(Yu, Yu, Yu, Huang and Li, "Language models are Super Mario: absorbing abilities from homologous models as a free
lunch", 2024, section 3.) What is left of each task vector has the same expectation, and fewer entries of different
models stand on one another; they are merged by task arithmetic or TIES. p = 0 drops nothing.

The draw of an entry depends on the seed, the number of the model and the order of the parameters alone, neither on
the device nor on the precision.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.fusion.merging.vectors import State
from framework.seeds import torch_numbers


def drop_and_rescale(vectors: Sequence[State], drop_rate: float, seed: int) -> list[dict[str, Tensor]]:
    """Equation (1) of each task vector, the draws of all from one seeded stream."""
    generator = torch_numbers(seed)
    return [
        {name: _dropped(tensor, drop_rate, generator) for name, tensor in vector.items()} for vector in vectors
    ]


def _dropped(tensor: Tensor, drop_rate: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(tensor.shape, generator=generator) >= drop_rate  # rand is in [0, 1): a rate of 0 keeps all
    return torch.where(kept.to(tensor.device), tensor / (1 - drop_rate), 0)
