import subprocess
import sys

import pytest
from lightly.transforms import BYOLTransform, FastSiamTransform, SimCLRTransform, VICRegTransform
from torchvision.transforms import v2

from framework.definition import raw_config, read
from framework.errors import ConfigError
from framework.grid import Grid, choice
from framework.plan import typed_points
from framework.ssl.distortions.config import (
    PRESETS,
    Blur,
    ColourJitter,
    Crop,
    DistortionsConfig,
    Grey,
    HorizontalFlip,
    Rotate90,
    Solarise,
    reduced,
    view_problems,
)


def problems(**given):
    with pytest.raises(ConfigError) as caught:
        DistortionsConfig.parse(given)
    return [str(problem) for problem in caught.value.problems]


THEIRS = {
    "simclr": SimCLRTransform,
    "byol": BYOLTransform,
    "vicreg": VICRegTransform,
    "fastsiam": FastSiamTransform,
}


@pytest.mark.parametrize("preset", THEIRS)
def test_presets_have_the_numbers_of_lightlys_transforms(preset):
    for view, transform in enumerate(THEIRS[preset]().transforms):
        theirs = [step for step in transform.transform.transforms if _does_something(step)]
        ours = [step for step in PRESETS[preset] if _share(step, view)]
        assert [_told(step, view) for step in ours] == [_their_told(step) for step in theirs]


def _share(step, view):
    return step.probability if isinstance(step.probability, float) else step.probability[view % 2]


def _told(step, view):
    share = _share(step, view)
    if isinstance(step, Crop):
        return ("crop", step.scale, pytest.approx(step.ratio))
    if isinstance(step, ColourJitter):
        strengths = (step.brightness, step.contrast, step.saturation)
        return ("colour_jitter", share, *(pytest.approx((max(0, 1 - s), 1 + s)) for s in strengths), step.hue)
    return (step.kind, share, step.sigma if isinstance(step, Blur) else None)


def _their_told(step):
    if isinstance(step, v2.RandomResizedCrop):
        return ("crop", step.scale, step.ratio)
    if isinstance(step, v2.RandomApply):
        (jitter,) = step.transforms
        return ("colour_jitter", step.p, jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue[1])
    if isinstance(step, v2.RandomGrayscale | v2.RandomHorizontalFlip):
        return ("grey" if isinstance(step, v2.RandomGrayscale) else "horizontal_flip", step.p, None)
    kind = {"GaussianBlur": "blur", "RandomSolarization": "solarise"}[type(step).__name__]
    return (kind, step.prob, getattr(step, "sigmas", None))


def _does_something(step):
    names = ("RandomRotate", "RandomVerticalFlip", "ToTensor", "Normalize")
    return type(step).__name__ not in names and getattr(step, "prob", getattr(step, "p", 1)) > 0


def test_a_list_of_its_own_stands_in_place_of_a_preset():
    config = DistortionsConfig.parse({"preset": None, "steps": [{"kind": "grey"}, {"kind": "grey"}]})
    assert config.listed == (Grey(), Grey())
    assert DistortionsConfig().listed == PRESETS["simclr"]
    assert problems(steps=[{"kind": "grey"}]) == [
        "preset: is simclr, and steps is given too; allowed: preset=null beside steps, or steps=null"
    ]
    assert problems(preset=None)[0].startswith("preset: is null, and so is steps; allowed: simclr, byol")


def test_what_is_wrong_comes_together():
    steps = [{"kind": "crop", "scale": [0.5, 0.1]}, {"kind": "blur", "kernel_size": 4, "sigma": [2, 1]}]
    assert problems(preset=None, steps=steps) == [
        "steps.0.scale: is [0.5, 0.1]; allowed: two numbers in ascending order, from 0 to 1",
        "steps.1.sigma: is [2.0, 1.0]; allowed: two numbers in ascending order, at least 0",
        "steps.1.kernel_size: is 4; allowed: an odd number of pixels, or null",
    ]
    assert problems(preset=None, steps=[{"kind": "blurr"}])[0].startswith("steps.0.kind: is 'blurr'")


def test_the_place_is_no_part_of_the_identity_and_the_rest_is():
    usual = DistortionsConfig()
    assert DistortionsConfig(place="workers").config_id == usual.config_id
    assert DistortionsConfig(fraction=0.5).config_id != usual.config_id


def test_presets_and_fractions_are_axes_of_a_grid():
    grid = Grid(DistortionsConfig, choice("preset", list(PRESETS)), choice("fraction", [0.25, 1.0]))
    points = [raw_config(point) for point in read(grid.definition("views", "ssl").text()).points()]
    assert len({point.config_id for point in typed_points(DistortionsConfig, points)}) == 2 * len(PRESETS)


def test_a_preset_is_reduced_for_grey_images_and_says_so():
    steps, told = reduced(DistortionsConfig(preset="simclr"), 1)
    assert [step.kind for step in steps] == ["crop", "horizontal_flip", "colour_jitter", "blur"]
    assert steps[2] == ColourJitter(saturation=0.0, hue=0.0)
    assert told == (
        "colour_jitter is without saturation and hue: images of one channel have none",
        "grey is left out: images of one channel are grey",
    )
    assert reduced(DistortionsConfig(preset="digits"), 1)[1] == ()


def own(*steps, **given):
    return DistortionsConfig(preset=None, steps=steps, **given)


@pytest.mark.parametrize(
    ("config", "shape", "views", "expected"),
    [
        (own(Grey(), ColourJitter()), (1, 8, 8), 2, ["steps.0.kind", "steps.1.saturation", "steps.1.hue"]),
        (own(Grey(), ColourJitter()), (4, 8, 8), 2, ["steps.0.kind", "steps.1.kind"]),
        (own(HorizontalFlip(probability=(0.1, 0.2, 0.3))), (3, 8, 8), 2, ["steps.0.probability"]),
        (own(Rotate90(), Crop()), (3, 8, 9), 2, ["steps.0.turns"]),
        (own(Crop(), Rotate90(), size=8), (3, 8, 9), 2, []),
        (own(Rotate90(), size=8), (3, 8, 9), 2, []),
        (own(Blur(kernel_size=17)), (3, 8, 9), 2, ["steps.0.kernel_size"]),
        (own(Blur(kernel_size=15)), (3, 8, 9), 2, []),
        (DistortionsConfig(), (1, 8, 8), 11, ["views"]),
        (DistortionsConfig(), (3, 8, 8), 1, ["views"]),
    ],
)
def test_what_cannot_be_done_to_the_images(config, shape, views, expected):
    assert [problem.key for problem in view_problems(config, shape, views)] == expected


def test_the_config_needs_no_torch():
    code = "import framework.ssl.distortions.config, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_probability_for_each_view():
    assert Solarise.parse({"probability": [0, 0.2]}).probability == (0.0, 0.2)
    assert Solarise.parse({"probability": 1}).probability == 1
