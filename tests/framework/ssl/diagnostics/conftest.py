"""Cubes of numbers, and orthogonal matrices to make spectra with."""

import torch


def cube(views: int = 3, images: int = 5, features: int = 4, *, seed: int = 0) -> torch.Tensor:
    """(V, B, F) of views that agree to some extent, with a mean and a scale of their own for each feature."""
    numbers = torch.Generator().manual_seed(seed)
    same = torch.randn(images, features, generator=numbers, dtype=torch.float64)
    other = torch.randn(views, images, features, generator=numbers, dtype=torch.float64)
    return (same + 0.7 * other) * torch.arange(1, features + 1) + 3


def orthogonal(size: int, *, seed: int = 0) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=numbers, dtype=torch.float64)).Q


def with_covariance(eigenvalues: torch.Tensor, images: int, *, seed: int = 0) -> torch.Tensor:
    """Rows (images, D) whose covariance has exactly these eigenvalues."""
    numbers = torch.Generator().manual_seed(seed)
    raw = torch.randn(images, len(eigenvalues), generator=numbers, dtype=torch.float64)
    directions = torch.linalg.svd(raw - raw.mean(dim=0), full_matrices=False).U  # which has the mean 0, too
    return (directions * (eigenvalues * (images - 1)).sqrt()) @ orthogonal(len(eigenvalues), seed=seed).t() + 5
