"""Each image by itself through torchvision is the reference."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from framework.ssl.distortions import local

N = 12
SEEN = torch.Generator().manual_seed(2)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, 13), (32, 32, 3), (8, 8, 15), (20, 9, 5), (70, 66, 13), (4, 4, 1)]
)
def test_a_blur_is_torchvisions(height, width, size):
    pictures = torch.rand(N, 3, height, width, generator=SEEN)
    sigmas = 0.1 + 1.9 * torch.rand(N, generator=SEEN)
    found = local.blur(pictures, sigmas, size)
    for n in range(N):
        expected = reference.gaussian_blur(pictures[n], [size, size], [float(sigmas[n])])
        torch.testing.assert_close(found[n], expected, atol=1e-5, rtol=0)


def test_the_size_of_a_kernel():
    assert local.kernel_size(None, 2.0, 32) == 13
    assert local.kernel_size(None, 2.0, 4) == 7
    assert local.kernel_size(5, 2.0, 32) == 5


def test_an_erasure_is_torchvisions():
    pictures = torch.rand(N, 3, 10, 12, generator=SEEN)
    boxes = [torch.randint(0, 6, (N,), generator=SEEN) for _ in range(4)]
    found = local.erase(pictures, tuple(values.float() for values in boxes), 0.25)
    for n in range(N):
        top, left, long, wide = (int(values[n]) for values in boxes)
        assert torch.equal(found[n], reference.erase(pictures[n], top, left, long, wide, torch.tensor(0.25)))


def test_noise_is_torchvisions(monkeypatch):
    pictures = torch.rand(N, 3, 8, 8, generator=SEEN)
    normal = torch.randn(N, 3, 8, 8, generator=SEEN)
    monkeypatch.setattr(torch, "randn_like", lambda _: normal)
    expected = reference.gaussian_noise(pictures, mean=0.1, sigma=0.2)
    torch.testing.assert_close(local.add_noise(pictures, normal, 0.1, 0.2), expected)
