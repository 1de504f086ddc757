"""Task arithmetic: what fine-tuning changed is added up.

    θ = θ_0 + λ Σ_k τ_k,    τ_k = θ_k - θ_0                                                                     (1)

(Ilharco, Ribeiro, Wortsman, Schmidt, Hajishirzi and Farhadi, "Editing models with task arithmetic", 2023,
section 2, the addition of tasks.) λ = 1/k gives the uniform soup, λ = 0 the base. One λ is for all tasks; the
authors choose it on held-out data.
"""

from collections.abc import Sequence

from torch import Tensor

from framework.fusion.merging.vectors import State, total


def task_arithmetic(vectors: Sequence[State]) -> dict[str, Tensor]:
    """The merged task vector Σ_k τ_k of equation (1), which is yet to be scaled."""
    return total(vectors)
