import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from framework.metrics.ssim import AT_ONCE, SSIM, STRUCTURAL_SIMILARITY, ssim_per_image

C1, C2 = 0.01**2, 0.03**2


def pairs(count, shape, seed=0):
    """Images and worse copies of them, from almost equal to unrelated."""
    generator = torch.Generator().manual_seed(seed)
    images, noise = (torch.rand(count, *shape, generator=generator) for _ in range(2))
    share = torch.linspace(0.01, 1, count)[:, None, None, None]
    return images * (1 - share) + noise * share, images


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 11, 17)])
def test_it_is_that_of_torchmetrics_inside_the_border(shape):
    worse, images = pairs(20, shape)
    _, whole = structural_similarity_index_measure(
        worse, images, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = whole[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    found = ssim_per_image(worse, images, torch.ones(shape[0]))
    torch.testing.assert_close(found, inside, atol=1e-4, rtol=1e-4)
    assert found[0] > 0.99
    assert found[-1] < 0.2


def test_one_window_by_hand():
    """Of 7 x 7 pixels there is one position; the weights and moments are written out."""
    worse, images = pairs(3, (1, 7, 7))
    distances = torch.arange(-3, 4, dtype=torch.float64)
    weights = torch.exp(-(distances[:, None] ** 2 + distances**2) / (2 * 1.5**2))
    weights /= weights.sum()
    for x, y, found in zip(
        worse.double(), images.double(), ssim_per_image(worse, images, torch.ones(1)), strict=True
    ):
        mx, my = (weights * x).sum(), (weights * y).sum()
        vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
        covariance = (weights * (x - mx) * (y - my)).sum()
        expected = (2 * mx * my + C1) * (2 * covariance + C2) / ((mx**2 + my**2 + C1) * (vx + vy + C2))
        assert float(found) == pytest.approx(float(expected), abs=1e-5)


def test_equal_images_give_one_and_inverted_ones_less_than_zero():
    images = (torch.rand(4, 3, 12, 12) > 0.5).float()
    scale = torch.ones(3)
    torch.testing.assert_close(ssim_per_image(images, images, scale), torch.ones(4))
    assert ssim_per_image(1 - images, images, scale).max() < 0


def test_a_standardised_scale_gives_the_same_with_scale_and_offset():
    worse, images = pairs(6, (3, 16, 16))
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.1])
    standard = [(part - mean[:, None, None]) / std[:, None, None] for part in (worse, images)]
    expected = ssim_per_image(worse, images, torch.ones(3))
    torch.testing.assert_close(ssim_per_image(*standard, std, mean), expected, atol=1e-4, rtol=1e-4)


def test_it_can_be_asked_again_and_again_for_many_images():
    worse, images = pairs(2 * AT_ONCE + 3, (1, 9, 9))
    similarity = SSIM(images, torch.ones(1))
    assert len(similarity) == len(images)
    for given in (worse, images):
        torch.testing.assert_close(
            similarity(given)[AT_ONCE:], ssim_per_image(given, images, torch.ones(1))[AT_ONCE:]
        )


@pytest.mark.parametrize(("side", "window"), [(1, 1), (2, 1), (8, 7), (10, 9), (11, 11), (12, 11)])
def test_small_images_have_the_largest_odd_window_that_fits(side, window):
    positions = side + 1 - window
    means = SSIM(torch.rand(2, 1, side, side + 3), torch.ones(1))._means[0]
    assert means.shape == (2, 1, positions, positions + 3)


def test_the_metric_declares_what_it_is():
    assert STRUCTURAL_SIMILARITY.better == "higher"
