"""Each image by itself through torchvision is the reference."""

import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from framework.ssl.distortions import colour

N = 48
SEEN = torch.Generator().manual_seed(1)
DO = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


def images(channels: int = 3) -> torch.Tensor:
    """Among them grey, black and white ones, and ties of two channels, where hue has its corners."""
    found = torch.rand(N, channels, 8, 6, generator=SEEN)
    found[0], found[1], found[2] = 0, 1, 0.4
    found[3] = found[3, :1]
    found[4, -1] = found[4, 0]
    return found


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    factors = torch.rand(4, N, generator=SEEN) * 1.8
    factors[3] = factors[3] / 1.8 - 0.5
    return factors, torch.rand(4, N, generator=SEEN)


@pytest.mark.parametrize("used", [u for count in (1, 2, 3, 4) for u in itertools.combinations(range(4), count)])
def test_a_jitter_is_torchvisions_in_the_order_of_the_keys(used):
    pictures, (factors, keys) = images(), drawn()
    found = colour.jitter(pictures.clone(), factors, keys, used)
    for n in range(N):
        expected = pictures[n]
        for kind in keys[:, n].argsort().tolist():
            expected = DO[kind](expected, float(factors[kind, n])) if kind in used else expected
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=0)


def test_a_jitter_of_images_of_one_channel_is_torchvisions():
    pictures, (factors, keys) = images(1), drawn()
    found = colour.jitter(pictures.clone(), factors, keys, (0, 1))
    for n in range(N):
        expected = pictures[n]
        for kind in keys[:2, n].argsort().tolist():
            expected = DO[kind](expected, float(factors[kind, n]))
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=0)


def test_grey_solarised_and_posterised_images_are_torchvisions():
    pictures = images()
    torch.testing.assert_close(colour.grey(pictures), reference.rgb_to_grayscale(pictures, 3), atol=1e-6, rtol=0)
    assert torch.equal(colour.solarise(pictures, 0.3), reference.solarize(pictures, 0.3))
    for bits in (1, 3, 8):
        assert torch.equal(colour.posterise(pictures, bits), reference.posterize(pictures, bits))
