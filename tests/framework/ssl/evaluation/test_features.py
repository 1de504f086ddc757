import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.ssl import build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.features import features_of
from framework.ssl.parts import SmallResNet
from tests.framework.ssl.evaluation.conftest import Encoder
from tests.second_device import DEVICE, SecondDevice

IMAGES = torch.rand(21, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def method():
    return build(CONFIGS["simsiam"](), (1, 8, 8), backbone=SmallResNet(width=0.03125))


def test_a_method_gives_what_its_backbone_does(method):
    found = features_of(method, IMAGES)
    assert torch.equal(found, features_of(method.backbone, IMAGES))
    with torch.no_grad():
        torch.testing.assert_close(found, method.eval().encode(IMAGES))


def test_an_encode_is_taken_before_the_forward():
    encoder = Encoder()
    found = features_of(encoder, IMAGES)
    assert found.shape == (21, 12)
    with torch.no_grad():
        torch.testing.assert_close(found, encoder.eval().layers(IMAGES))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    """In eval mode its statistics do not move and nothing is dropped, and afterwards its mode is what it was."""
    encoder = Encoder().train(training)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    first, second = features_of(encoder, IMAGES), features_of(encoder, IMAGES)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert encoder.training is training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_modes_come_back_when_it_fails():
    encoder = Encoder()
    with pytest.raises(RuntimeError):
        features_of(encoder, IMAGES[:, :, :3])
    assert encoder.training


@pytest.mark.parametrize("batch_size", [1, 4, 21, 100])
def test_batches_do_not_matter(batch_size):
    torch.testing.assert_close(
        features_of(Encoder(), IMAGES, batch_size=batch_size), features_of(Encoder(), IMAGES)
    )


def test_rows_that_are_no_images():
    rows = torch.rand(9, 5)
    assert torch.equal(features_of(nn.Identity(), rows), rows)
    assert features_of(nn.Flatten(0), rows[:, 0:1]).shape == (9, 1)


def test_half_precision_becomes_single():
    found = features_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).bfloat16(), IMAGES)
    assert found.dtype == torch.float32


def test_images_of_another_size_are_fitted(method):
    assert features_of(method, torch.rand(4, 3, 20, 16)).shape == (4, 16)


def test_on_a_second_device():
    with SecondDevice():
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        expected = features_of(model, IMAGES)
        found = features_of(model, IMAGES, device=DEVICE)
        torch.testing.assert_close(found, expected)
        assert {tensor.device.type for tensor in (found, *model.parameters())} == {"cpu"}
        assert features_of(model.to(DEVICE), IMAGES).device.type == "cpu"
        assert next(model.parameters()).device == DEVICE


class Pair(nn.Module):
    def forward(self, images):
        return images, images


@pytest.mark.parametrize(
    ("model", "images", "options", "told"),
    [
        (len, IMAGES, {}, r"model: is builtin_function_or_method; allowed: a torch module"),
        (nn.Identity(), IMAGES.numpy(), {}, r"images: are ndarray; allowed: a tensor"),
        (nn.Identity(), IMAGES[:0], {}, r"images: have the shape \(0, 1, 8, 8\)"),
        (nn.Identity(), IMAGES, {"batch_size": 0}, r"batch_size: is 0"),
        (nn.Identity(), IMAGES, {"device": "gpu"}, r"device: is 'gpu', which is no device"),
        (Pair(), IMAGES, {}, r"model: gives tuple for 21 images; allowed: a tensor with a row for each"),
        (nn.Flatten(0), IMAGES, {}, r"model: gives a tensor \(1344,\) for 21 images"),
        (nn.Identity(), IMAGES / 0, {}, r"model: gives NaN or infinite features for 21 of 21 images; it diverged"),
    ],
)
def test_what_gives_no_features(model, images, options, told):
    with pytest.raises(InvalidInput, match=told):
        features_of(model, images, **options)
