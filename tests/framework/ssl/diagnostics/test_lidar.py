import numpy as np
import pytest
import scipy.linalg
import torch
from reptrix.lidar import get_lidar

from framework.errors import InvalidInput
from framework.ssl.diagnostics.lidar import lidar
from framework.ssl.diagnostics.rankme import effective_rank
from tests.framework.ssl.diagnostics.conftest import cube, orthogonal
from tests.second_device import DEVICE, SecondDevice


def matrices(z):
    """Equations (1) and (2), by loops."""
    views, images, features = z.shape
    means = z.mean(axis=0)
    between, within = np.zeros((features, features)), 1e-4 * np.eye(features)
    for i in range(images):
        between += np.outer(means[i] - means.mean(axis=0), means[i] - means.mean(axis=0)) / images
        for v in range(views):
            within += np.outer(z[v, i] - means[i], z[v, i] - means[i]) / images / views
    return between, within


@pytest.mark.parametrize(("images", "features"), [(9, 4), (4, 9), (6, 6)])
def test_the_formula_with_a_root_of_the_matrix(images, features):
    z = cube(3, images, features).numpy()
    between, within = matrices(z)
    root = np.linalg.inv(scipy.linalg.sqrtm(within).real)
    eigenvalues = np.linalg.eigvalsh(root @ between @ root).clip(0)
    assert lidar(z, eps=0) == pytest.approx(effective_rank(torch.from_numpy(eigenvalues), 0), rel=1e-8)
    assert lidar(z) == pytest.approx(effective_rank(torch.from_numpy(eigenvalues)), rel=1e-4)


def test_the_matrices_of_reptrix_with_the_entropy_of_the_paper():
    """reptrix puts the LiDAR matrix through a PCA once more; of its spectrum the paper takes the entropy."""
    z = cube(4, 12, 5)
    between, within = matrices(z.numpy())
    eigenvalues = scipy.linalg.eigh(between, within, eigvals_only=True)
    assert lidar(z) == pytest.approx(effective_rank(torch.from_numpy(eigenvalues)), rel=1e-5)
    assert get_lidar(z.transpose(0, 1).contiguous(), 12, 4) != pytest.approx(lidar(z), rel=1e-3)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_images_along_some_directions_alike(rank):
    """Means at ± the first axes, noise alike in all directions: as many equal eigenvalues as there are axes."""
    axes = torch.eye(6, dtype=torch.float64)[:rank]
    means = torch.cat([axes, -axes])
    noise = torch.cat([torch.eye(6, dtype=torch.float64), -torch.eye(6, dtype=torch.float64)])  # 12 views, mean 0
    z = (means[None] + 0.1 * noise[:, None]) @ orthogonal(6)
    assert lidar(z) == pytest.approx(rank, rel=1e-4)
    assert lidar(100 * z) == pytest.approx(rank, rel=1e-4)


def test_what_changes_from_view_to_view_counts_less():
    z = cube(8, 50, 6)
    noisy = z.clone()
    noisy[:, :, :3] += 100 * torch.randn(8, 50, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert lidar(noisy) < lidar(z)


def test_constant_features():
    assert lidar(torch.full((3, 5, 4), 0.1)) == 0
    assert lidar(cube()[:, :1].expand(-1, 5, -1)) == 0


def test_on_a_second_device():
    with SecondDevice():
        assert lidar(cube().to(DEVICE)) == pytest.approx(lidar(cube()))


@pytest.mark.parametrize(
    ("z", "options", "told"),
    [
        (cube(1), {}, r"2 or more views"),
        (cube(3, 1), {}, r"2 or more images"),
        (cube(), {"delta": 0}, r"delta: is 0; allowed: a number above 0"),
        (cube() / 0, {}, r"60 of 60 are NaN or infinite"),
    ],
)
def test_what_cannot_be_used(z, options, told):
    with pytest.raises(InvalidInput, match=told):
        lidar(z, **options)
