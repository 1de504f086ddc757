"""Tiny folders of images, and a tiny STL10 in its own layout."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as reference

from framework.data import load_pixels, load_splits
from framework.data.config import DataConfig
from framework.data.facts import Facts, facts_of, split_problems, train_images
from framework.data.folders import listing
from framework.data.places import imagenette_folder
from framework.errors import ConfigError, DataUnavailable
from framework.training.config import TrainingConfig

CLASSES = ("ant", "bee", "cat")
SPLITS = ("train", "val", "test")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SASHIKO_DATA", str(tmp_path))
    monkeypatch.delenv("SASHIKO_DOWNLOAD", raising=False)
    return tmp_path


def fill(part, count=10, size=(14, 9), suffix=".png"):
    """Images of one colour each, which tell class and number."""
    for label, name in enumerate(CLASSES):
        (part / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size, (label * 40, number * 10, 7)).save(part / name / f"{number:02}{suffix}")


def folder(**given) -> DataConfig:
    return DataConfig(name="folder", folder="mine", image_size=8, **given)


def test_a_folder_without_splits_is_split_by_seed(data):
    fill(data / "mine")
    (data / "mine" / "ant" / "notes.txt").write_text("no image")
    config = folder(val_fraction=0.2, test_fraction=0.2)
    splits = load_splits(config)
    assert facts_of(config) == Facts(30, (3, 8, 8), 3)
    assert [len(getattr(splits, name)) for name in SPLITS] == [19, 5, 6]
    assert train_images(config) == 19
    drawn = torch.cat([getattr(splits, name).indices for name in SPLITS])
    assert sorted(drawn.tolist()) == list(range(30))
    for name in SPLITS:
        part = getattr(splits, name)
        assert part.images.shape[1:] == (3, 8, 8)
        told = (part.images[:, :, 4, 4] * 255).round().long()
        assert torch.equal(told[:, 0], part.labels * 40)
        assert torch.equal(told[:, 1], part.indices % 10 * 10)
    assert load_splits(config.model_copy(update={"split_seed": 1})).val.digest != splits.val.digest


@pytest.mark.parametrize(
    ("parts", "sizes"), [((), [27, 3, 6]), (("val",), [24, 15, 6]), (("val", "test"), [30, 15, 12])]
)
def test_splits_that_lie_there_are_taken_as_they_are(data, parts, sizes):
    counts = {"train": 10, "val": 5, "test": 4}
    for name in ("train", *parts, *(() if parts else ("test",))):
        fill(data / "mine" / name, counts[name])
    config = folder() if parts else folder(test_fraction=0.5)
    splits = load_splits(config)
    sizes = sizes if parts else [27, 3, 12]
    assert [len(getattr(splits, name)) for name in SPLITS] == sizes
    assert train_images(config) == sizes[0]
    assert not list(split_problems(config))


def test_images_are_resized_by_the_shorter_side_and_cut_to_the_middle(data):
    fill(data / "mine")
    noise = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    Image.fromarray(noise).save(data / "mine" / "ant" / "00.png")
    splits = load_pixels(folder())
    expected = reference.pil_to_tensor(
        reference.center_crop(reference.resize(Image.fromarray(noise), [8]), [8, 8])
    )
    everything = torch.cat([getattr(splits, name).images for name in SPLITS])
    indices = torch.cat([getattr(splits, name).indices for name in SPLITS])
    assert everything.dtype == torch.uint8
    assert torch.equal(everything[indices == 0][0], expected)


def test_bytes_and_floats_are_the_same_images_and_statistics_are_those_of_train(data):
    fill(data / "mine")
    pixels, floats = load_pixels(folder()), load_splits(folder())
    assert (pixels.normalise, floats.normalise, pixels.unlabeled) == ("bytes", "unit", None)
    for name in SPLITS:
        assert torch.equal(getattr(pixels, name).images.float() / 255, getattr(floats, name).images)
    assert torch.equal(pixels.unit(pixels.val.images), floats.val.images)
    torch.testing.assert_close(pixels.pixel_scale, torch.full((3,), 1 / 255))
    torch.testing.assert_close(floats.mean, floats.train.images.mean((0, 2, 3)))
    torch.testing.assert_close(floats.std, floats.train.images.permute(1, 0, 2, 3).flatten(1).std(1, correction=0))


def test_digits_stay_intensities_and_any_set_is_resized():
    assert load_pixels(DataConfig(normalise="standard")).train.images.dtype == torch.float32
    assert load_pixels(DataConfig()).normalise == "unit"
    config = DataConfig(image_size=16)
    larger, native = load_splits(config), load_splits(DataConfig())
    assert larger.image_shape == facts_of(config).shape == (1, 16, 16)
    expected = reference.resize(native.val.images, [16, 16], antialias=True)
    torch.testing.assert_close(larger.val.images, expected)


def stl10(data, counts=(40, 20, 30)):
    root, rng = data / "stl10_binary", np.random.default_rng(0)
    root.mkdir()
    found = {}
    for part, count in zip(("train", "test", "unlabeled"), counts, strict=True):
        pixels = rng.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
        pixels.transpose(0, 1, 3, 2).tofile(root / f"{part}_X.bin")  # column by column
        labels = (np.arange(count) % 10).astype(np.uint8)
        if part != "unlabeled":
            (labels + 1).tofile(root / f"{part}_y.bin")
        found[part] = torch.from_numpy(pixels), torch.from_numpy(labels).long()
    return found


def test_stl10_is_read_in_its_own_layout(data):
    found, config = stl10(data), DataConfig(name="stl10", val_fraction=0.25)
    splits = load_pixels(config)
    assert [len(getattr(splits, name)) for name in SPLITS] == [30, 10, 20]
    for name, source in (("train", "train"), ("val", "train"), ("test", "test")):
        part, (pixels, labels) = getattr(splits, name), found[source]
        assert torch.equal(part.images, pixels[part.indices])
        assert torch.equal(part.labels, labels[part.indices])
    assert torch.equal(splits.unlabeled.images[3:7], found["unlabeled"][0][3:7])
    assert splits.unlabeled.labels.tolist() == [-1] * 30
    assert load_splits(config).unlabeled is None
    assert load_splits(config).train.images.dtype == torch.float32
    smaller = load_pixels(config.model_copy(update={"image_size": 32}))
    assert smaller.image_shape == (3, 32, 32)
    assert smaller.unlabeled.images.shape == (30, 3, 32, 32)


def test_a_broken_stl10_is_told(data):
    stl10(data)
    with (data / "stl10_binary" / "test_X.bin").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataUnavailable, match=r"test_X\.bin is missing or cut off"):
        load_pixels(DataConfig(name="stl10"))


def test_imagenette_has_its_val_for_a_test_split(data):
    assert [imagenette_folder(size) for size in (32, 160, 161, 320, 400)] == [
        *["imagenette2-160"] * 2, *["imagenette2-320"] * 2, "imagenette2",
    ]  # fmt: skip
    fill(data / "imagenette2-160" / "train", suffix=".JPEG")
    fill(data / "imagenette2-160" / "val", 4, suffix=".JPEG")
    splits = load_pixels(DataConfig(name="imagenette", image_size=12))
    assert [len(getattr(splits, name)) for name in SPLITS] == [27, 3, 12]
    assert splits.image_shape == (3, 12, 12)


@pytest.mark.parametrize("name", ["stl10", "imagenette"])
def test_missing_data_says_where_it_was_looked_for_and_what_to_do(data, name):
    with pytest.raises(DataUnavailable) as caught:
        load_pixels(DataConfig(name=name))
    for part in (name, str(data), "train", "SASHIKO_DATA", "data.download=true"):
        assert part in str(caught.value)


def test_folders_that_cannot_be_read_say_why(data):
    with pytest.raises(DataUnavailable, match=r"no folder of images at .*mine: set data\.folder"):
        facts_of(folder())
    (data / "empty").mkdir()
    with pytest.raises(DataUnavailable, match=r"has no folder of a class; expected in .*: CLASS/IMAGE"):
        listing(data / "empty")
    (data / "bare" / "ant").mkdir(parents=True)
    with pytest.raises(DataUnavailable, match="ant has no image; files that are read end in"):
        listing(data / "bare")
    fill(data / "other" / "train")
    (data / "other" / "val" / "dog").mkdir(parents=True)
    with pytest.raises(DataUnavailable, match="only one of the two has: ant, bee, cat, dog"):
        listing(data / "other")
    fill(data / "mine")
    (data / "mine" / "bee" / "03.png").write_bytes(b"no image")
    with pytest.raises(DataUnavailable, match=r"bee/03\.png cannot be read as an image"):
        load_splits(folder())


def test_a_folder_has_to_be_named_and_only_where_it_is_read():
    with pytest.raises(ConfigError) as caught:
        DataConfig.parse({"name": "folder"})
    assert [problem.key for problem in caught.value.problems] == ["folder", "image_size"]
    with pytest.raises(ConfigError, match=r"data\.folder: is not given.*\n.*data\.image_size: is null"):
        TrainingConfig.parse({"data": {"name": "folder"}})
    with pytest.raises(ConfigError, match="folder: is 'mine', which digits does not read"):
        DataConfig.parse({"folder": "mine"})


def test_listing_a_folder_needs_no_torch():
    import subprocess
    import sys

    code = "import framework.data.facts, framework.data.folders, sys; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
