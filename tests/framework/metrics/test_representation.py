import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from framework.metrics import angles, cka
from framework.metrics.representation import ANGLE, CKA, Representation, cosine_per_image, distance_per_image


def latents(count, size, seed):
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def hsic(k, m):
    """The unbiased estimator of the Hilbert-Schmidt independence criterion: kernels without their diagonals."""
    n, ones = len(k), np.ones(len(k))
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    sums = np.trace(k @ m) + (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return (sums - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))


def related(seed=0):
    """Latents of different sizes with a good deal in common."""
    common = latents(60, 5, seed)
    return (
        torch.cat([common, latents(60, 2, seed + 1)], dim=1) @ latents(7, 7, seed + 2) + 3,
        common @ latents(5, 4, seed + 3) + 0.3 * latents(60, 4, seed + 4) - 1,
    )


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_cka_is_normalised_unbiased_hsic(seed):
    x, y = related(seed)
    k, m = (x @ x.T).numpy(), (y @ y.T).numpy()
    expected = hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
    assert Representation(y).compare(x)["cka"] == pytest.approx(expected, abs=1e-12)
    assert Representation(x).compare(y)["cka"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_angles_are_those_of_scipy(seed):
    x, y = related(seed)
    expected = np.sort(subspace_angles((x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()))
    found = Representation(y).compare(x)["angles"]
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(Representation(x).compare(y)["angles"], expected, atol=1e-6)


def test_rotation_scale_and_shift_change_nothing_and_other_maps_only_cka():
    x, _ = related()
    rotation = torch.linalg.qr(latents(7, 7, 99)).Q
    turned = Representation(x).compare(3 * x @ rotation + 5)
    assert turned["cka"] == pytest.approx(1)
    assert turned["angles"].max() < 1e-6
    bent = Representation(x).compare(x @ torch.diag(torch.arange(1.0, 8).double() ** 3))
    assert bent["cka"] < 0.9
    assert bent["angles"].max() < 1e-6


def test_a_hand_made_angle():
    e = torch.eye(4, dtype=torch.float64) - 0.25  # centred columns, 60 degrees apart beyond the first two
    x = torch.stack([e[0] - e[1], e[2] - e[3]], dim=1)
    y = torch.stack([e[0] - e[1] + math.sqrt(3) * (e[2] - e[3])], dim=1)
    compared = Representation(x).compare(y)
    assert compared["angles"].tolist() == pytest.approx([0], abs=1e-6)
    assert Representation(x[:, :1]).compare(y)["angles"].tolist() == pytest.approx([math.pi / 3])
    assert Representation(x[:, :1]).compare(x[:, 1:])["angles"].tolist() == pytest.approx([math.pi / 2])


def test_unrelated_latents_have_no_cka_on_average_and_a_known_angle():
    found = [Representation(latents(360, 512, seed)).compare(latents(360, 512, 100 + seed)) for seed in range(4)]
    assert np.mean([each["cka"] for each in found]) == pytest.approx(0, abs=0.01)
    assert found[0]["angle_null"] == 0  # as many directions as images: every space is every other
    compared = Representation(latents(400, 20, 0)).compare(latents(400, 5, 1))
    assert math.cos(compared["angle_null"]) ** 2 == pytest.approx(20 / 399)
    assert float(compared["angles"].cos().square().mean()) == pytest.approx(20 / 399, abs=0.03)


def test_it_is_what_the_suite_finds():
    x, y = related()
    compared = Representation(y).compare(x)
    assert compared["cka"] == pytest.approx(cka(x, y, null=0).value, abs=1e-12)
    np.testing.assert_allclose(compared["angles"], angles(x, y, null=0).values, atol=1e-6)


def test_fewer_than_four_images_have_no_debiased_cka():
    assert math.isnan(Representation(latents(3, 2, 0)).compare(latents(3, 2, 1))["cka"])


def test_directions_that_are_not_there_have_no_angle():
    x = latents(200, 3, 0)
    lifted = (x @ latents(3, 6, 1)).float()  # rank 3 in 6 dimensions, but for rounding
    compared = Representation(lifted).compare(x.float())
    assert compared["angles"].shape == (3,)
    assert compared["angles"].max() < 1e-3
    assert compared["cka"] <= 1


def test_constant_latents_have_neither():
    compared = Representation(latents(20, 3, 0)).compare(torch.ones(20, 2))
    assert math.isnan(compared["cka"])
    assert compared["angles"].shape == (0,)
    assert math.isnan(compared["angle_null"])


def test_distance_and_cosine_of_hand_made_latents():
    first, second = (
        torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]]),
        torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]),
    )
    assert distance_per_image(first, second).tolist() == [5, 1, 2]
    assert cosine_per_image(first, second).tolist() == pytest.approx([0, math.sqrt(0.5), 0])


def test_the_metrics_declare_what_they_are():
    assert CKA.better == "higher"
    assert (ANGLE.better, ANGLE.unit.split()[0]) == ("lower", "radians,")
