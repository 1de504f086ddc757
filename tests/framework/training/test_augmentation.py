import pytest
import torch

from framework.data import load_splits
from framework.data.config import DataConfig
from framework.data.vision import ImageSet
from framework.training.augmentation import FlipCrop, augmented, black, flip_crop
from framework.training.batches import batches
from framework.training.callbacks.epoch_log import Measure
from tests.framework.training.conftest import small_kind, train

CPU = torch.device("cpu")
IMAGES = ImageSet(torch.rand(10, 3, 6, 5), torch.arange(10), torch.arange(10))
BLACK = torch.tensor([-1.0, -2.0, -3.0])


def test_windows_and_mirror_images_by_hand():
    image = torch.arange(30.0).reshape(1, 1, 6, 5)
    images = image.repeat(4, 1, 1, 1)
    shifts = torch.tensor([[4, 4, 5, 0], [4, 4, 4, 8]])
    mirrored = torch.tensor([False, True, False, False])
    same, flipped, up, corner = flip_crop(images, torch.tensor([-1.0]), shifts, mirrored)
    assert torch.equal(same, image[0])
    assert torch.equal(flipped, image[0].flip(2))
    assert torch.equal(up[0, :-1], image[0, 0, 1:])
    assert (up[0, -1] == -1).all()
    assert torch.equal(corner[0, 4:, :1], image[0, 0, :2, 4:])
    assert (corner == -1).sum() == 30 - 2


def test_every_image_is_drawn_for_itself_and_labels_stay():
    loader = FlipCrop(batches(IMAGES, 5, None, 0, CPU), BLACK, 0)
    assert len(loader) == 2
    seen = [list(loader) for _ in range(2)]
    assert [labels.tolist() for _, labels in seen[0]] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert seen[0][0][0].shape == (5, 3, 6, 5)
    assert not torch.equal(seen[0][0][0], seen[1][0][0])
    assert {tuple(image[:, 0, 0].tolist()) for image, _ in seen[0] for image in image} & {(-1.0, -2.0, -3.0)}


@pytest.mark.parametrize("num_workers", [0, 1])
def test_draws_depend_on_the_seed_alone(num_workers):
    def drawn(seed):
        loader = augmented(batches(IMAGES, 4, 3, num_workers, CPU), "flip_crop", BLACK, seed)
        return torch.cat([images for _ in range(2) for images, _ in loader])

    here = FlipCrop(batches(IMAGES, 4, 3, 0, CPU), BLACK, 1)
    assert torch.equal(drawn(1), torch.cat([images for _ in range(2) for images, _ in here]))
    assert not torch.equal(drawn(1), drawn(2))


def test_none_leaves_the_batches_alone():
    loader = batches(IMAGES, 4, 3, 0, CPU)
    assert augmented(loader, "none", BLACK, 0) is loader


def test_black_on_either_scale():
    for normalise in ("unit", "standard"):
        splits = load_splits(DataConfig(normalise=normalise))
        assert splits.unit(black(splits)[:, None, None]).abs().max() < 1e-6
        assert splits.train.images.min() >= black(splits).min() - 1e-6


class Seen(Measure):
    def __init__(self):
        self.train, self.val = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.train.append(batch[0])

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.val.append(batch[0])

    def epoch_metrics(self, trainer):
        return {}


def test_the_train_split_alone_is_augmented(tmp_path):
    config = small_kind("mlp", augment="flip_crop", max_epochs=1)
    seen, again = Seen(), Seen()
    first, second = (
        train(tmp_path / name, config, [callback]) for name, callback in (("first", seen), ("second", again))
    )
    splits = load_splits(config.data)
    assert torch.equal(torch.cat(seen.val), splits.val.images)
    known = {image.numpy().tobytes() for image in splits.train.images}
    changed = [image.numpy().tobytes() not in known for image in torch.cat(seen.train)]
    assert sum(changed) / len(changed) > 0.95
    assert torch.equal(torch.cat(seen.train), torch.cat(again.train))
    assert first.summary["val/cross_entropy_best"] == second.summary["val/cross_entropy_best"]
