"""An encoder that learns on our views is as good as one that learns on torchvision's: the same training, twice.

Half of the digits, a small ResNet, SimCLR, and most distortions that grey images take. The judge is the accuracy
of ten neighbours on test. A seed sets first weights and order of the images for both sides alike. Accuracies of
one side differ by about three per cent from seed to seed: what changes them by less is not seen here, but on the
images (`test_distorter.py`).
"""

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2

from framework.data.config import DataConfig
from framework.data.vision import load_splits
from framework.ssl import build
from framework.ssl.config import CONFIGS
from framework.ssl.distortions.config import Blur, ColourJitter, Crop, DistortionsConfig, Erase, Noise, Rotate
from framework.ssl.distortions.distorter import Distorter, generator_of
from framework.ssl.evaluation.knn import knn_scores
from framework.ssl.parts import SmallResNet
from tests.framework.threads import one_thread

__all__ = ["one_thread"]

SEEDS, EPOCHS, BATCH = 3, 10, 64
STEPS = (
    Crop(scale=(0.4, 1.0)),
    Rotate(probability=0.5, degrees=(-20.0, 20.0)),
    ColourJitter(probability=0.8, brightness=0.4, contrast=0.4, saturation=0.0, hue=0.0),
    Blur(probability=0.3, sigma=(0.1, 1.0), kernel_size=3),
    Erase(probability=0.3, scale=(0.02, 0.2)),
    Noise(probability=0.5, sigma=0.1),
)
THEIRS = v2.Compose(
    [
        v2.RandomResizedCrop(8, scale=(0.4, 1.0), antialias=True),
        v2.RandomApply([v2.RandomRotation(20, InterpolationMode.BILINEAR, fill=None)], 0.5),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4)], 0.8),
        v2.RandomApply([v2.GaussianBlur(3, (0.1, 1.0))], 0.3),
        v2.RandomErasing(0.3, scale=(0.02, 0.2)),
        v2.RandomApply([v2.GaussianNoise(sigma=0.1)], 0.5),
    ]
)
METHOD = CONFIGS["simclr"].parse({"projection": {"kind": "mlp", "hidden": [64], "output": 32}})
OURS = Distorter(DistortionsConfig(preset=None, steps=STEPS), (1, 8, 8), 2)


def ours(images, seed, step):
    return OURS.make(images, generator_of(seed, step))[0]


def theirs(images, seed, step):
    """Image by image, with torch's own numbers."""
    return torch.stack([torch.stack([THEIRS(image) for image in images]) for _ in range(2)])


def accuracy(views_of, seed, epochs):
    splits, step = load_splits(DataConfig(train_fraction=0.5)), 0
    train, test = splits.train, splits.test
    method = build(METHOD, (1, 8, 8), seed, SmallResNet(width=0.125))
    optimiser = torch.optim.SGD(method.parameters(), 0.03, momentum=0.9)
    numbers = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for positions in torch.randperm(len(train), generator=numbers).split(BATCH)[:-1]:
            optimiser.zero_grad()
            method.loss(views_of(train.images[positions], seed, step)).total.backward()
            optimiser.step()
            step += 1
    method.eval()
    with torch.no_grad():
        bank, queries = method.encode(train.images), method.encode(test.images)
    votes = knn_scores(queries, bank, train.labels, 10, k=10)
    return float((votes.argmax(1) == test.labels).double().mean())


@pytest.mark.slow
def test_the_accuracy_that_is_reached_is_that_of_torchvisions_transforms():
    torch.manual_seed(0)
    found = {
        name: torch.tensor([accuracy(make, seed, epochs) for seed in range(SEEDS)])
        for name, make, epochs in (("untrained", ours, 0), ("ours", ours, EPOCHS), ("theirs", theirs, EPOCHS))
    }
    means = {name: float(values.mean()) for name, values in found.items()}
    spread = float(torch.stack([found["ours"].var(), found["theirs"].var()]).mean().sqrt())
    assert abs(means["ours"] - means["theirs"]) <= 2 * spread, found
    assert spread < 0.05, found
    assert min(means["ours"], means["theirs"]) > means["untrained"] + float(found["untrained"].std()), found
