"""Class means: what is carried over by the class of an image alone. A control for mappings, not one of them.

With the means m_k of the source's and μ_k of the target's latents of the anchors of class k,

    z → μ_k,   k = argmin_j ||z - m_j||                                                                         (1)

so that all images that lie nearest to one class mean have one image in the target's space. A mapping that does no
better has carried over the classes, and nothing within them.

Shapes: N samples, K classes, D source dimensions, E target dimensions.
"""

from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework.errors import ArtifactError, InvalidInput, Problem
from framework.mappings.base import Mapping, Numbers
from framework.mappings.latents import Latents, as_pair


class ClassMeansMapping(Mapping):
    """Equation (1), with m (K, D) and μ (K, E)."""

    kind = "class_means"
    source_means: Tensor
    target_means: Tensor

    def __init__(self, source_dim: int, target_dim: int, num_classes: int = 0) -> None:
        super().__init__(source_dim, target_dim)
        self.register_buffer("source_means", torch.zeros(num_classes, source_dim))
        self.register_buffer("target_means", torch.zeros(num_classes, target_dim))

    @classmethod
    def from_numbers(cls, numbers: Numbers, source_dim: int, target_dim: int) -> Self:
        """The mapping with these saved numbers; `source_means` tells how many classes there are.

        Raises:
            ArtifactError: the numbers are not those of such a mapping.
        """
        if "source_means" not in numbers:
            raise ArtifactError(f"not the numbers of the mapping {cls.kind!r}: source_means is missing")
        return cls(source_dim, target_dim, len(numbers["source_means"])).filled(numbers)

    def forward(self, z_source_ND: Tensor) -> Tensor:
        """μ of the nearest class of each row, (N, E)."""
        nearest_N = torch.cdist(z_source_ND, self.source_means.to(z_source_ND.dtype)).argmin(dim=1)
        return self.target_means.to(z_source_ND.dtype)[nearest_N]


def fit_class_means(z_source: Latents, z_target: Latents, labels: npt.ArrayLike | Tensor) -> ClassMeansMapping:
    """Equation (1) from pairs of latents (N, D) and (N, E) and their classes (N,).

    Raises:
        InvalidInput: latents that a mapping cannot be fitted to, or another number of labels.
    """
    z_ND, y_NE, problems = as_pair(z_source, z_target)
    labels_N = np.asarray(labels)
    if not problems and labels_N.shape != (len(z_ND),):
        problems = [Problem("labels", f"has the shape {labels_N.shape}; allowed: ({len(z_ND)},), one a sample")]
    if problems:
        raise InvalidInput(problems)
    classes = np.unique(labels_N)
    mapping = ClassMeansMapping(z_ND.shape[1], y_NE.shape[1], len(classes))
    for place, label in enumerate(classes):
        mapping.source_means[place] = torch.from_numpy(z_ND[labels_N == label].mean(axis=0))
        mapping.target_means[place] = torch.from_numpy(y_NE[labels_N == label].mean(axis=0))
    mapping.fitted_with = {"n": len(z_ND)}
    return mapping
