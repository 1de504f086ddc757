import pytest
import torch
from torch import fx, nn

from framework.data import load_splits
from framework.errors import ConfigError
from framework.models import build
from framework.models.config import MLP
from framework.training import load_evaluation
from framework.training.config import TrainingConfig
from tests.framework.training.conftest import train


def linear_layers(model):
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


def test_the_default_is_784_400_200_100_10_without_biases():
    model = build(MLP(), (1, 28, 28))
    shapes = [tuple(layer.weight.shape) for layer in linear_layers(model)]
    assert shapes == [(400, 784), (200, 400), (100, 200), (10, 100)]
    assert all(layer.bias is None for layer in linear_layers(model))
    assert len(list(model.parameters())) == 4
    assert sum(p.numel() for p in model.parameters()) == 784 * 400 + 400 * 200 + 200 * 100 + 100 * 10


def test_the_latents_are_the_last_hidden_activations():
    torch.manual_seed(0)
    model, images = build(MLP(hidden=(20, 6), bias=True), (3, 8, 8), num_classes=4), torch.rand(5, 3, 8, 8)
    first, second, head = linear_layers(model)
    hidden = torch.relu(first(images.flatten(1)))
    latents = torch.relu(second(hidden))
    assert torch.equal(model.encode(images), latents)
    assert torch.equal(model.decode(latents), head(latents))
    assert torch.equal(model(images), head(latents))
    assert model.latent_dim == 6
    assert head.bias.shape == (4,)


def test_without_a_hidden_layer_it_is_linear():
    model, images = build(MLP(hidden=()), (1, 8, 8)), torch.rand(3, 1, 8, 8)
    assert torch.equal(model.encode(images), images.flatten(1))
    torch.testing.assert_close(model(images), images.flatten(1) @ model.head.weight.T)


def test_it_is_traced_as_a_chain_of_layers():
    nodes = [node.op for node in fx.symbolic_trace(build(MLP(hidden=(5,)), (1, 8, 8))).graph.nodes]
    assert nodes == ["placeholder", *["call_module"] * 4, "output"]


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"model\.hidden\.1: is 0"):
        TrainingConfig.parse({"model": {"kind": "mlp", "hidden": [4, 0]}})


def test_it_learns_digits(tmp_path):
    config = TrainingConfig.parse(
        {"model": {"kind": "mlp"}, "max_epochs": 8, "learning_rate": 2e-3, "device": "cpu"}
    )
    run = train(tmp_path, config)
    assert run.summary["test/accuracy_best"] > 0.9
    evaluation = load_evaluation(run.require("model", config))
    assert evaluation.latents["test"].shape == (len(load_splits(config.data).test), 100)
    assert evaluation.latents["test"].min() == 0
