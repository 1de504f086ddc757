import pytest
import torch
from torchvision import models

from framework.errors import ConfigError, InvalidInput
from framework.ssl import SimCLR, build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.baselines import backbone_of, baselines, missing_weights
from framework.ssl.parts import Dense, SmallResNet, Torchvision

SHAPE = (1, 8, 8)
SMALL = SmallResNet(width=0.03125)
NAME = "squeezenet1_1"  # the smallest of torchvision


def test_random_weights_of_each_seed():
    found = baselines(SMALL, SHAPE, (4, 5))
    assert [(one.kind, one.seed) for one in found] == [("random", 4), ("random", 5), ("pretrained", None)]
    first, second = (one.model.state_dict() for one in found[:2])
    assert any(not torch.equal(first[name], second[name]) for name in first)
    again = baselines(SMALL, SHAPE, (4,))[0].model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_they_are_what_a_method_begins_with():
    method = build(CONFIGS["byol"](), SHAPE, 4, SMALL)
    begun = method.backbone.state_dict()
    baseline = baselines(*backbone_of(method), (4,))[0].model.state_dict()
    assert all(torch.equal(begun[name], baseline[name]) for name in begun)


def test_the_global_state_is_left_alone():
    state = torch.get_rng_state()
    baselines("mlp", SHAPE)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_a_model_was_built_of():
    method = SimCLR("mlp", image_shape=SHAPE)
    assert backbone_of(method) == backbone_of(method.backbone) == (Dense(), SHAPE)
    assert backbone_of(torch.nn.Flatten()) is None


@pytest.mark.parametrize("backbone", [SMALL, "mlp", "cifar_resnet18"])
def test_networks_of_the_project_have_no_pretrained_weights(backbone):
    *_, last = baselines(backbone, SHAPE, ())
    assert last.model is None
    assert "is a network of this project, and nobody has published weights of it" in last.missing


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty place for weights, and no way to fetch any."""

    def refused(*_, **__):
        raise AssertionError("weights are never fetched")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    return tmp_path / "checkpoints"


def test_weights_that_are_not_here(hub):
    *_, last = baselines(NAME, (3, 32, 32), ())
    assert last.model is None
    assert last.missing.startswith("its weights are not on this machine; put them to")
    assert str(hub) in last.missing


def test_weights_that_are_here(hub):
    weights = models.get_model_weights(NAME).DEFAULT
    original = models.get_model(NAME, weights=None).state_dict()
    hub.mkdir()
    torch.save(original, hub / weights.url.rpartition("/")[2])
    *_, last = baselines(Torchvision(name=NAME), (3, 32, 32), ())
    assert last.missing == ""
    assert torch.equal(last.model.body.state_dict()["features.0.weight"], original["features.0.weight"])
    assert missing_weights(Torchvision(name="resnet18")).startswith("its weights are not on this machine")


def test_random_ones_of_a_pretrained_backbone(hub):
    found = baselines(Torchvision(name=NAME, weights="pretrained"), (3, 32, 32), (0,))
    assert [one.model is None for one in found] == [False, True]


def test_what_is_no_backbone():
    with pytest.raises(ConfigError, match=r"backbone: is 'resnet1888'; did you mean"):
        baselines("resnet1888", SHAPE)
    with pytest.raises(InvalidInput, match="seed: is 'a'"):
        baselines("mlp", SHAPE, ("a",))
