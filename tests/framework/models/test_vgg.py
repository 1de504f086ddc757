import pytest
import torch
from torch import fx, nn

from framework.errors import ConfigError
from framework.models import build
from framework.models.config import VGG
from framework.training.config import TrainingConfig
from tests.framework.training.conftest import train


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.modules())


def test_the_plain_vgg11_has_9222848_parameters():
    model = build(VGG(bias=False, batch_norm=False), (3, 32, 32))
    assert size(model) == 9_222_848
    assert all(parameter.ndim > 1 for parameter in model.parameters())


# The sizes of kuangliu/pytorch-cifar's models for ten classes.
@pytest.mark.parametrize(("depth", "expected"), [(11, 9231114), (13, 9416010), (16, 14728266), (19, 20040522)])
def test_sizes_with_biases_and_normalisation(depth, expected):
    with torch.device("meta"):
        assert size(build(VGG(depth=depth), (3, 32, 32))) == expected


@pytest.mark.parametrize(
    ("shape", "pools"), [((3, 32, 32), 5), ((1, 28, 28), 4), ((1, 8, 8), 3), ((1, 1, 1), 0), ((1, 2, 9), 1)]
)
def test_a_side_of_one_is_not_halved(shape, pools):
    model = build(VGG(width=0.125), shape, num_classes=3).eval()
    assert count(model, nn.MaxPool2d) == pools
    assert model(torch.rand(2, *shape)).shape == (2, 3)


def test_a_map_that_remains_is_averaged():
    model, images = build(VGG(width=0.125), (1, 64, 64)).eval(), torch.rand(2, 1, 64, 64)
    features = model.features(images)
    assert features.shape == (2, 64, 2, 2)
    torch.testing.assert_close(model.encode(images), features.mean(dim=(2, 3)))


def test_the_layers_are_those_of_the_description():
    model = build(VGG(width=0.25, batch_norm=False), (1, 32, 32))
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv2d)]
    channels = [1, 16, 32, 64, 64, 128, 128, 128, 128]
    assert [c.in_channels for c in convolutions] == channels[:-1]
    assert [c.out_channels for c in convolutions] == channels[1:]
    names = [type(layer).__name__ for layer in model.features]
    expected = "Conv2d ReLU {0} Conv2d ReLU {0} {1} {0} {1} {0} {1} {0}".format(
        "MaxPool2d", "Conv2d ReLU Conv2d ReLU"
    )
    assert names == expected.split()
    assert model.latent_dim == model.classifier.in_features == 128


@pytest.mark.parametrize(("width", "latents"), [(2, 1024), (0.5, 256), (0.001, 1)])
def test_width_multiplies_every_number_of_channels(width, latents):
    with torch.device("meta"):
        assert build(VGG(width=width), (3, 32, 32)).latent_dim == latents


def test_outputs_are_those_of_encode_and_decode():
    torch.manual_seed(0)
    model, images = build(VGG(width=0.125), (1, 28, 28)).eval(), torch.rand(3, 1, 28, 28)
    assert torch.equal(model(images), model.decode(model.encode(images)))
    traced = fx.symbolic_trace(model)
    assert torch.equal(traced(images), model(images))
    assert {node.op for node in traced.graph.nodes} == {"placeholder", "call_module", "output"}


def test_initial_weights_without_normalisation_keep_the_gradients_size():
    torch.manual_seed(0)
    for depth in (11, 19):
        model = build(VGG(depth=depth, width=0.5, batch_norm=False), (3, 32, 32))
        for layer in model.features:
            if isinstance(layer, nn.Conv2d):
                assert layer.weight.std().item() == pytest.approx((2 / (9 * layer.out_channels)) ** 0.5, rel=0.1)
                assert (layer.bias == 0).all()
    defaults = build(VGG(width=0.5), (3, 32, 32)).features[0].weight
    assert defaults.abs().max().item() <= (1 / 27) ** 0.5


def test_a_depth_that_is_none_of_the_four():
    with pytest.raises(ConfigError, match=r"model\.depth: is 12.*allowed: 11, 13, 16 or 19"):
        TrainingConfig.parse({"model": {"kind": "vgg", "depth": 12}})
    with pytest.raises(ConfigError, match=r"model\.width: is 0"):
        TrainingConfig.parse({"model": {"kind": "vgg", "width": 0}})


def test_it_learns_digits(tmp_path):
    model = {"kind": "vgg", "width": 0.125}
    config = TrainingConfig.parse({"model": model, "max_epochs": 6, "learning_rate": 3e-3, "device": "cpu"})
    assert train(tmp_path, config).summary["test/accuracy_best"] > 0.85
