"""LiDAR: the effective rank of what tells images apart, beside what changes from view to view of one image.

Each image is a class, and its views are the samples of it [1, section 4]:

    Σ_b = E_i[(μ_i - μ)(μ_i - μ)ᵀ]              μ_i: mean of image i over its views, μ: mean of these         (1)
    Σ_w = E_i E_v[(z_iv - μ_i)(z_iv - μ_i)ᵀ] + δ I                                                            (2)
    Σ_lidar = Σ_w^(-1/2) Σ_b Σ_w^(-1/2)                                                                       (3)
    LiDAR = exp(-Σ_k p_k log p_k),    p_k = λ_k / Σ_j λ_j + ε       λ: eigenvalues of Σ_lidar                  (4)

with δ = 1e-4 and ε = 1e-7, over the min(B, F) eigenvalues that can be positive. With Σ_w = L Lᵀ (Cholesky),
Σ_lidar has the eigenvalues of L⁻¹ Σ_b L⁻ᵀ, which are the squared singular values of L⁻¹ M, with the centred means
over √B as M: no root of a matrix is taken. Features that are constant have the LiDAR 0.

[1] Thilak, Huang, Saremi, Dinh, Goh, Nakkiran, Susskind and Littwin, "LiDAR: sensing linear probing performance in
    joint embedding SSL architectures", 2024.

Shapes: V views, B images, F features.
"""

import torch

from framework.errors import InvalidInput, Problem
from framework.metrics.metric import Metric
from framework.ssl.diagnostics.inputs import SAME, Numbers, cube_of
from framework.ssl.diagnostics.rankme import EPS, effective_rank
from framework.values import is_number

DELTA = 1e-4
LIDAR = Metric("lidar", "effective number of directions, from 1 to min(B - 1, F)", "higher", "of all images")


def lidar(cube_VBF: Numbers, *, delta: float = DELTA, eps: float = EPS) -> float:
    """Equation (4) of features or projections (V, B, F): V views of B images.

    Raises:
        InvalidInput: as `cube_of`; fewer than two views or two images; a δ that is not positive.
    """
    if not (is_number(delta) and delta > 0):
        raise InvalidInput([Problem("delta", f"is {delta!r}; allowed: a number above 0")], "lidar")
    cube = cube_of(cube_VBF, "lidar", views=2, images=2)
    views, images, _ = cube.shape
    means_BF = cube.mean(dim=0)
    within_NF = (cube - means_BF).flatten(0, 1)
    sigma_FF = within_NF.t() @ within_NF / (views * images)
    sigma_FF.diagonal().add_(delta)
    root_FF = torch.linalg.cholesky(sigma_FF)
    between_BF = (means_BF - means_BF.mean(dim=0)) / images**0.5
    if bool(between_BF.abs().max() <= SAME * cube.abs().max()):
        return 0.0
    whitened_FB = torch.linalg.solve_triangular(root_FF, between_BF.t(), upper=False)
    eigenvalues_K = torch.linalg.svdvals(whitened_FB).square()
    return effective_rank(eigenvalues_K, eps)
