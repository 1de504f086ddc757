import pytest
import torch
from torch import fx, nn

from framework.errors import ConfigError
from framework.models import build
from framework.models.config import CIFARResNet
from framework.training.config import TrainingConfig
from tests.framework.training.conftest import train


def size(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_plain_resnet18_has_11164352_parameters():
    model = build(CIFARResNet(bias=False, batch_norm=False), (3, 32, 32))
    assert size(model) == 11_164_352
    assert all(parameter.ndim > 1 for parameter in model.parameters())


# The sizes of kuangliu/pytorch-cifar's models for ten classes.
@pytest.mark.parametrize(("depth", "expected"), [(18, 11173962), (34, 21282122), (50, 23520842)])
def test_sizes_with_bias_and_normalisation(depth, expected):
    with torch.device("meta"):
        model = build(CIFARResNet(depth=depth), (3, 32, 32))
    assert size(model) == expected
    assert model.latent_dim == (2048 if depth == 50 else 512)
    assert all(layer.bias is None for layer in model.modules() if isinstance(layer, nn.Conv2d))


def test_names_are_those_of_the_usual_state_dicts():
    with torch.device("meta"):
        names = set(build(CIFARResNet(), (3, 32, 32)).state_dict())
    assert {"conv1.weight", "bn1.running_mean", "linear.weight", "linear.bias"} <= names
    assert {"layer1.0.conv1.weight", "layer2.0.shortcut.0.weight", "layer4.1.bn2.bias"} <= names
    assert "layer1.0.shortcut.0.weight" not in names


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8), (2, 1, 1)])
def test_every_depth_takes_every_size(depth, shape):
    torch.manual_seed(0)
    model = build(CIFARResNet(depth=depth, width=0.0625, batch_norm=False), shape, num_classes=3).eval()
    images = torch.rand(2, *shape)
    assert model(images).shape == (2, 3)
    assert torch.equal(model(images), model.decode(model.encode(images)))


def test_maps_are_halved_by_the_last_three_layers():
    model, x, shapes = build(CIFARResNet(width=0.125), (1, 28, 28)).eval(), torch.rand(2, 1, 28, 28), []
    for name in ("conv1", "layer1", "layer2", "layer3", "layer4"):
        x = model.get_submodule(name)(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(8, 28, 28), (8, 28, 28), (16, 14, 14), (32, 7, 7), (64, 4, 4)]
    torch.testing.assert_close(model.flatten(model.avgpool(x)), x.mean(dim=(2, 3)))


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (50, 4)])
def test_a_block_is_what_its_description_says(depth, expansion):
    torch.manual_seed(0)
    model = build(CIFARResNet(depth=depth, width=0.125), (1, 8, 8)).eval()
    block, x = model.layer2[0], torch.rand(2, 8 * expansion, 8, 8)
    out = torch.relu(block.bn1(block.conv1(x)))
    out = block.bn2(block.conv2(out))
    if depth == 50:
        out = block.bn3(block.conv3(torch.relu(out)))
    convolution, norm = block.shortcut
    assert convolution.kernel_size == (1, 1)
    assert torch.equal(block(x), torch.relu(out + norm(convolution(x))))
    assert isinstance(model.layer2[1].shortcut, nn.Identity)


def test_it_can_be_traced():
    torch.manual_seed(0)
    model, images = build(CIFARResNet(width=0.0625), (1, 8, 8)).eval(), torch.rand(2, 1, 8, 8)
    traced = fx.symbolic_trace(model)
    assert torch.equal(traced(images), model(images))
    calls = [node.target.__name__ for node in traced.graph.nodes if node.op == "call_function"]
    assert calls == ["add"] * 8


def test_a_depth_that_is_none_of_the_three():
    with pytest.raises(ConfigError, match=r"model\.depth: is 20.*allowed: 18, 34 or 50"):
        TrainingConfig.parse({"model": {"kind": "cifar_resnet", "depth": 20}})


@pytest.mark.parametrize("batch_norm", [True, False])
def test_it_learns_digits(batch_norm, tmp_path):
    model = {"kind": "cifar_resnet", "width": 0.125, "batch_norm": batch_norm}
    config = TrainingConfig.parse({"model": model, "max_epochs": 5, "learning_rate": 2e-3, "device": "cpu"})
    assert train(tmp_path, config).summary["test/accuracy_best"] > (0.9 if batch_norm else 0.7)
