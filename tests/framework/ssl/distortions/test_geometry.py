"""Each image by itself through torchvision is the reference."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from framework.ssl.distortions import geometry

N = 24
SEEN = torch.Generator().manual_seed(0)


def images(height: int = 32, width: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.rand(N, channels, height, width, generator=SEEN)


def whole_numbers(low: int, high: int) -> torch.Tensor:
    return torch.randint(low, high, (N,), generator=SEEN)


def flags() -> torch.Tensor:
    return torch.rand(N, generator=SEEN) < 0.5


@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, 32), (96, 80, 32), (8, 8, 20), (28, 28, 64), (1, 5, 3)]
)
def test_a_crop_is_torchvisions_with_antialias(height, width, size):
    pictures = images(height, width)
    long, wide = whole_numbers(1, height + 1), whole_numbers(1, width + 1)
    top = (torch.rand(N, generator=SEEN) * (height - long + 1)).long()
    left = (torch.rand(N, generator=SEEN) * (width - wide + 1)).long()
    down, mirrored = flags(), flags()
    boxes = tuple(values.float() for values in (top, left, long, wide))
    found = geometry.resample(pictures, boxes, (size, size), down, mirrored)
    for n in range(N):
        box = [int(values[n]) for values in (top, left, long, wide)]
        expected = reference.resized_crop(pictures[n], *box, [size, size], antialias=True)
        expected = reference.vertical_flip(expected) if down[n] else expected
        expected = reference.horizontal_flip(expected) if mirrored[n] else expected
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=0)


def test_the_whole_image_at_its_own_size_is_itself():
    pictures, nowhere = images(), torch.zeros(N, dtype=torch.bool)
    found = geometry.resample(pictures, geometry.whole(pictures), (32, 32), nowhere, nowhere)
    torch.testing.assert_close(found, pictures, atol=1e-6, rtol=0)


def test_flips():
    pictures, down, mirrored = images(9, 7), flags(), flags()
    found = geometry.flip(pictures.clone(), down, mirrored)
    for n in range(N):
        expected = reference.vertical_flip(pictures[n]) if down[n] else pictures[n]
        assert torch.equal(found[n], reference.horizontal_flip(expected) if mirrored[n] else expected)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (12, 9)])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_is_torchvisions(height, width, interpolation):
    pictures = images(height, width)
    degrees = torch.rand(N, generator=SEEN) * 360 - 180
    found = geometry.rotate(pictures, degrees, interpolation)
    mode = reference.InterpolationMode(interpolation)
    for n in range(N):
        expected = reference.rotate(pictures[n], float(degrees[n]), interpolation=mode, fill=None)
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=0)


def test_quarter_turns_are_torchvisions():
    pictures, turns = images(), whole_numbers(0, 4)
    found = geometry.quarter_turns(pictures.clone(), turns)
    for n in range(N):
        assert torch.equal(found[n], reference.rotate(pictures[n], 90.0 * int(turns[n])))
    oblong = images(4, 6)
    assert torch.equal(geometry.quarter_turns(oblong.clone(), torch.full((N,), 2)), oblong.rot90(2, (2, 3)))
