import copy

import pytest
import torch
from scipy.stats import ks_2samp
from torch.torch_version import TorchVersion
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as reference

from framework.errors import ConfigError, InvalidInput
from framework.ssl.distortions.config import (
    PRESETS,
    Blur,
    ColourJitter,
    Crop,
    DistortionsConfig,
    Erase,
    Grey,
    HorizontalFlip,
    Noise,
    Posterise,
    Rotate,
    Rotate90,
    Solarise,
    VerticalFlip,
)
from framework.ssl.distortions.distorter import CACHED, Distorter, generator_of
from tests.second_device import DEVICE, SecondDevice

ONE_GRAPH = pytest.mark.skipif(
    TorchVersion(torch.__version__) < "2.12", reason="torch 2.11 makes several graphs of a distortion"
)
EVERYTHING = (
    Rotate(),
    Noise(),
    Crop(probability=0.7),
    HorizontalFlip(),
    VerticalFlip(),
    VerticalFlip(),
    Rotate90(),
    ColourJitter(),
    Grey(),
    Blur(),
    Solarise(),
    HorizontalFlip(),
    Posterise(),
    Erase(),
    Noise(),
    Crop(scale=(0.5, 1.0)),
)


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    torch._dynamo.reset()


def images(count: int = 12, channels: int = 3, side: int = 16) -> torch.Tensor:
    seen = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 4, 4, generator=seen)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")


def own(*steps, **given) -> DistortionsConfig:
    return DistortionsConfig(preset=None, steps=steps, **given)


def views_of(config: DistortionsConfig, pictures: torch.Tensor, views: int = 2, seed: int = 0) -> torch.Tensor:
    return Distorter(config, tuple(pictures.shape[1:]), views).make(pictures, generator_of(seed, 0))[0]


@pytest.mark.parametrize("views", [2, 5, 10])
def test_views_have_their_shape_and_are_all_different(views):
    found = views_of(own(*EVERYTHING, size=12), images(), views)
    assert found.shape == (views, 12, 3, 12, 12)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert len({tuple(view.flatten().tolist()) for view in found.flatten(0, 1)}) == views * 12


def test_the_same_numbers_give_the_same_views_and_each_step_has_its_own():
    config = own(*EVERYTHING)
    assert torch.equal(views_of(config, images()), views_of(config, images()))
    assert not torch.equal(views_of(config, images(), seed=1), views_of(config, images()))
    first, again, next_step = (torch.rand(3, generator=generator_of(5, step)) for step in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, next_step)
    with pytest.raises(InvalidInput, match="seed"):
        generator_of(2**64, 0)


@pytest.mark.parametrize(
    "config", [own(*EVERYTHING, fraction=0.5), *(DistortionsConfig(preset=p) for p in PRESETS)]
)
@ONE_GRAPH
def test_a_compiled_pass_is_one_graph_and_gives_the_same(config):
    distorter = Distorter(config, (3, 16, 16), 3, torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4]))
    drawn = distorter.draw(8, generator_of(0, 0))
    compiled = torch.compile(distorter, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images(8), drawn), distorter(images(8), drawn), atol=1e-5, rtol=1e-5)


def test_large_batches_are_worked_in_parts_that_fit_the_cache():
    config, count = own(*EVERYTHING, fraction=0.5), CACHED // (4 * 2 * 3 * 48 * 48) + 3
    distorter, pictures = Distorter(config, (3, 48, 48), 2), images(count, side=48)
    drawn = distorter.draw(count, generator_of(0, 0))
    at_once = distorter._views(pictures, drawn)
    torch.testing.assert_close(distorter(pictures, drawn), at_once, atol=1e-5, rtol=0)


def test_two_entries_of_one_kind_are_both_applied():
    sure = {"probability": 1.0}
    pictures = images()
    twice = views_of(own(HorizontalFlip(**sure), HorizontalFlip(**sure)), pictures)
    torch.testing.assert_close(twice[0], pictures)
    darker = own(*[Solarise(**sure, threshold=0.0)] * 3)
    torch.testing.assert_close(views_of(darker, pictures)[1], 1 - pictures)
    both = views_of(own(*[Blur(**sure, sigma=(1.0, 1.0), kernel_size=5)] * 2), pictures)
    expected = reference.gaussian_blur(reference.gaussian_blur(pictures, [5, 5], [1.0]), [5, 5], [1.0])
    torch.testing.assert_close(both[0], expected, atol=1e-5, rtol=0)


def test_the_order_is_that_of_the_list():
    pictures = images()
    first = views_of(own(Solarise(probability=1.0), Posterise(probability=1.0, bits=1)), pictures)[0]
    last = views_of(own(Posterise(probability=1.0, bits=1), Solarise(probability=1.0)), pictures)[0]
    assert torch.equal(first, reference.posterize(reference.solarize(pictures, 0.5), 1))
    assert torch.equal(last, reference.solarize(reference.posterize(pictures, 1), 0.5))


@pytest.mark.parametrize("config", [DistortionsConfig(preset="none"), own(), own(HorizontalFlip(probability=0.0))])
def test_without_distortions_all_views_are_the_image(config):
    count = CACHED // (4 * 3 * 3 * 16 * 16) + 3  # more than are worked at once
    pictures = images().repeat(count // 12 + 1, 1, 1, 1)
    assert all(torch.equal(view, pictures) for view in views_of(config, pictures, views=3))


def test_normalisation_comes_last_and_bytes_are_intensities():
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    pixels = (images() * 255).round().to(torch.uint8)
    config = own(Solarise(probability=1.0))
    found = Distorter(config, (3, 16, 16), 2, mean, std).make(pixels, generator_of(0, 0))[0]
    expected = reference.normalize(reference.solarize(pixels / 255, 0.5), mean.tolist(), std.tolist())
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_a_fraction_of_the_images_is_distorted_and_the_others_are_resized(fraction):
    config = own(Crop(scale=(0.1, 0.3)), Noise(probability=1.0), size=10, fraction=fraction)
    pictures = images()
    found, drawn = Distorter(config, (3, 16, 16), 4).make(pictures, generator_of(0, 0))
    plain = reference.resize(pictures, [10, 10], antialias=True)
    changed = ((found - plain).abs() > 1e-4).flatten(2).any(2)
    assert torch.equal(changed, drawn.distorted.expand(4, -1))
    assert int(drawn.distorted.sum()) == fraction * 12
    whole = Distorter(config.model_copy(update={"fraction": 1.0}), (3, 16, 16), 4).make(
        pictures, generator_of(0, 0)
    )
    assert torch.equal(found[:, drawn.distorted], whole[0][:, drawn.distorted])


def test_probabilities_of_each_view_are_met():
    pictures = images(1).expand(2000, -1, -1, -1)
    found = views_of(own(Solarise(probability=(1.0, 0.1)), Grey(probability=0.2)), pictures, views=4)
    solarised = (found.mean(2) - pictures.mean(1)).abs().flatten(2).amax(2) > 0.1
    shares = (found - images(1)).abs().flatten(2).amax(2).gt(1e-5).float().mean(1)
    torch.testing.assert_close(shares, torch.tensor([1.0, 0.28, 1.0, 0.28]), atol=0.04, rtol=0)
    assert solarised[0].all()


TORCHVISIONS = {
    "simclr": v2.Compose(
        [
            v2.RandomResizedCrop(16, scale=(0.08, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(13, (0.1, 2.0))], 0.5),
        ]
    ),
    "digits": v2.Compose(
        [
            v2.RandomResizedCrop(16, scale=(0.5, 1.0), antialias=True),
            v2.RandomApply([v2.RandomRotation(15, v2.InterpolationMode.BILINEAR, fill=None)], 0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4)], 0.5),
            v2.RandomApply([v2.GaussianNoise(0.0, 0.05)], 0.5),
        ]
    ),
}


@pytest.mark.parametrize("preset", TORCHVISIONS)
def test_statistics_of_the_views_are_those_of_torchvision(preset):
    picture = images(1)
    torch.manual_seed(4)
    theirs = torch.stack([TORCHVISIONS[preset](picture[0]) for _ in range(500)])
    ours = views_of(DistortionsConfig(preset=preset), picture.expand(800, -1, -1, -1)).flatten(0, 1)
    for statistic in (
        lambda views: views.mean((1, 2, 3)),
        lambda views: views.std((1, 2, 3)),
        lambda views: views.mean((2, 3)).std(1),
        lambda views: views.flatten(1).quantile(0.1, dim=1),
        lambda views: views.flatten(1).quantile(0.9, dim=1),
        lambda views: (views[..., 1:] - views[..., :-1]).abs().mean((1, 2, 3)),
    ):
        assert ks_2samp(statistic(ours).numpy(), statistic(theirs).numpy()).pvalue > 1e-3


@ONE_GRAPH
def test_mixed_precision_leaves_the_views_alone():
    distorter = Distorter(own(*EVERYTHING), (3, 16, 16))
    drawn = distorter.draw(6, generator_of(0, 0))
    expected = distorter(images(6), drawn)
    with torch.autocast("cpu", torch.bfloat16):
        found = distorter(images(6), drawn)
        compiled = torch.compile(distorter, backend="eager", fullgraph=True)(images(6), drawn)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    torch.testing.assert_close(compiled, expected, atol=1e-5, rtol=0)


def test_a_second_device_makes_the_same_views():
    distorter, pictures = Distorter(own(*EVERYTHING, fraction=0.75), (3, 16, 16)), images(8)
    drawn = distorter.draw(8, generator_of(0, 0))
    with SecondDevice():
        found = copy.deepcopy(distorter).to(DEVICE)(pictures.to(DEVICE), drawn)
        assert found.device == DEVICE
        torch.testing.assert_close(found.cpu(), distorter(pictures, drawn), atol=1e-5, rtol=0)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ConfigError, match=r"distortions: 2 problems\n.*views: is 12.*\n.*steps.0.kind: is grey"):
        Distorter(own(Grey()), (1, 8, 8), 12)
    with pytest.raises(ConfigError, match=r"images: has images of \(3, 8, 8\)"):
        Distorter(DistortionsConfig(), (3, 16, 16)).make(torch.rand(2, 3, 8, 8), generator_of(0, 0))


def test_notes_tell_what_a_preset_is_less():
    assert len(Distorter(DistortionsConfig(), (1, 8, 8)).notes) == 2
    assert not Distorter(DistortionsConfig(), (3, 8, 8)).notes
