import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import InvalidInput, TrainingDiverged
from framework.ssl import build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.features import features_of
from framework.ssl.evaluation.finetune import FineTuned, fine_tune
from framework.ssl.evaluation.scores import score
from framework.ssl.parts import Dense
from tests.framework.ssl.evaluation.conftest import Encoder, digits

TASK = digits()


def first(count):
    return ImageSet(TASK.train.images[:count], TASK.train.labels[:count], TASK.train.indices[:count])


def dense(seed=0):
    return build(CONFIGS["byol"](), (1, 8, 8), seed, Dense(hidden=(64,)))


def test_it_learns_and_leaves_the_model_alone():
    model = dense()
    before = copy.deepcopy(model.state_dict())
    tuned = fine_tune(model, TASK.train, 10, epochs=15, batch_size=64)
    logits = features_of(tuned, TASK.test.images)
    assert score(logits, TASK.test.labels) > 0.85
    assert tuned.losses[-1] < 0.5 * tuned.losses[0]
    assert not tuned.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training


def test_the_steps_are_those_of_torch():
    """Against torch's own optimiser and schedule, in a loop of its own."""
    tuned = fine_tune(dense(), first(100), 10, epochs=2, batch_size=40, seed=3)
    torch.manual_seed(3)
    other = FineTuned(copy.deepcopy(dense().backbone), 64, 10)
    optimiser = torch.optim.SGD(other.parameters(), 0.05 * 40 / 256, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4)
    numbers = torch.Generator().manual_seed(3)
    for _ in range(2):
        order = torch.randperm(100, generator=numbers)
        for batch in (order[:40], order[40:80]):
            optimiser.zero_grad()
            F.cross_entropy(other(TASK.train.images[batch]), TASK.train.labels[batch]).backward()
            optimiser.step()
            schedule.step()
    for name, value in other.state_dict().items():
        torch.testing.assert_close(tuned.state_dict()[name], value)


def test_equal_seeds_and_the_global_state():
    state = torch.get_rng_state()
    one, again, other = (fine_tune(Encoder(), first(64), 10, epochs=1, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.head.weight, other.head.weight)


def test_frozen_encoders_learn_again():
    model = dense().requires_grad_(False)
    tuned = fine_tune(model, first(64), 10, epochs=1)
    assert not torch.equal(next(tuned.encoder.parameters()), next(model.backbone.parameters()))
    assert not next(model.parameters()).requires_grad


def test_images_of_another_size():
    images = ImageSet(torch.rand(20, 3, 12, 12), torch.arange(20) % 10, torch.arange(20))
    tuned = fine_tune(dense(), images, 10, epochs=1)
    assert features_of(tuned, images.images).shape == (20, 10)


class Overflowing(nn.Module):
    def forward(self, images):
        return images.flatten(1) * (torch.inf if self.training else 1)


def test_a_loss_that_is_none():
    with pytest.raises(TrainingDiverged, match=r"the loss of fine-tuning became nan in step 0 of 1"):
        fine_tune(Overflowing(), first(64), 10, epochs=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epochs": 0}, "epochs: is 0; allowed: 1 or more"),
        ({"epochs": math.nan}, "epochs: is nan"),
        ({"batch_size": 1}, "batch_size: is 1; allowed: 2 or more images"),
        ({"seed": "x"}, "seed: is 'x'"),
    ],
)
def test_what_cannot_be_used(options, told):
    with pytest.raises(InvalidInput, match=told):
        fine_tune(dense(), first(64), 10, **options)


def test_a_single_image():
    with pytest.raises(InvalidInput, match="train: has 1 images; allowed: 2 or more"):
        fine_tune(dense(), first(1), 10)
