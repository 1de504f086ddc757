"""What torchvision draws, an image at a time, is the reference, by the Kolmogorov-Smirnov test of two samples."""

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from framework.ssl.distortions import drawing

OURS, THEIRS = 20_000, 1_500
CHANCE = 1e-3


def numbers(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, OURS, generator=torch.Generator().manual_seed(seed))


def drawn_by(transform: v2.Transform, height: int, width: int) -> dict[str, list[float]]:
    torch.manual_seed(3)
    picture = torch.zeros(3, height, width)
    found = [transform.make_params([picture]) for _ in range(THEIRS)]
    return {name: [one[name] for one in found] for name in found[0]}


def refuse_difference(ours: torch.Tensor, theirs: list[float]) -> None:
    assert ks_2samp(ours.numpy(), theirs).pvalue > CHANCE


@pytest.mark.parametrize(
    ("scale", "ratio", "height", "width"),
    [
        ((0.08, 1.0), (3 / 4, 4 / 3), 32, 32),
        ((0.5, 1.0), (3 / 4, 4 / 3), 8, 8),
        ((0.9, 1.0), (0.5, 0.6), 20, 30),  # it nearly never fits
        ((0.9, 1.0), (1.5, 2.0), 30, 10),
    ],
)
def test_crops(scale, ratio, height, width):
    ours = drawing.crops(numbers(drawing.BOX_NUMBERS), scale, ratio, height, width)
    theirs = drawn_by(v2.RandomResizedCrop(32, scale, ratio), height, width)
    for values, name in zip(ours, ("top", "left", "height", "width"), strict=True):
        refuse_difference(values, theirs[name])
    top, left, long, wide = ours
    assert (long > 0).all()
    assert (wide > 0).all()
    assert (top + long <= height).all()
    assert (left + wide <= width).all()
    refuse_difference(long * wide, [h * w for h, w in zip(theirs["height"], theirs["width"], strict=True)])


@pytest.mark.parametrize(("scale", "ratio"), [((0.02, 0.33), (0.3, 3.3)), ((0.7, 1.0), (0.2, 5.0))])
def test_erasures(scale, ratio):
    ours = drawing.erasures(numbers(drawing.BOX_NUMBERS), scale, ratio, 16, 24)
    theirs = drawn_by(v2.RandomErasing(1.0, scale, ratio), 16, 24)
    done = [value is not None for value in theirs["v"]]
    for values, name in zip(ours, "ijhw", strict=True):
        kept = [value if erased else 0 for value, erased in zip(theirs[name], done, strict=True)]
        refuse_difference(values * (ours[2] > 0), kept)
    assert ((ours[2] < 16) & (ours[3] < 24)).all()


def test_a_crop_has_a_pixel_where_torchvision_would_have_none():
    top, left, long, wide = drawing.crops(numbers(drawing.BOX_NUMBERS), (0.9, 1.0), (4.0, 5.0), 40, 1)
    assert (long == 1).all()
    assert (wide == 1).all()
    assert ((top >= 0) & (top < 40) & (left == 0)).all()


def test_factors_of_a_jitter():
    theirs = drawn_by(v2.ColorJitter(0.8, 1.5, 0.4, 0.2), 4, 4)
    for name, strength in (("brightness", 0.8), ("contrast", 1.5), ("saturation", 0.4)):
        refuse_difference(drawing.factor(numbers(1)[0], strength), theirs[f"{name}_factor"])
    refuse_difference(drawing.between(numbers(1)[0], -0.2, 0.2), theirs["hue_factor"])


def test_angles_and_sigmas():
    refuse_difference(
        drawing.between(numbers(1)[0], -30, 50), drawn_by(v2.RandomRotation((-30, 50)), 4, 4)["angle"]
    )
    sigmas = [sigma[0] for sigma in drawn_by(v2.GaussianBlur(3, (0.1, 2.0)), 4, 4)["sigma"]]
    refuse_difference(drawing.between(numbers(1)[0], 0.1, 2.0), sigmas)


def test_whole_numbers_below_a_count():
    counts = torch.tensor([1.0, 3.0, 3.0, 3.0])
    assert drawing.below(torch.tensor([0.999, 0.0, 0.34, 1 - 2**-24]), counts).tolist() == [0, 0, 1, 2]
