"""What is said of a model before it is built is true of the model that is built."""

from typing import get_args

import pytest
import torch

from framework.errors import ConfigError
from framework.models.config import (
    AE,
    MLP,
    PCKTAE,
    VAE,
    VGG,
    CIFARResNet,
    MLPAutoencoder,
    ModelConfig,
    ResNet18,
    ViT,
)
from framework.models.facts import CLASSIFIERS, WIDTHS, differences, image_problems, is_classifier, latent_dim
from framework.models.registry import MODELS, build

DIGITS, MNIST, CIFAR = (1, 8, 8), (1, 28, 28), (3, 32, 32)
SMALL = [
    PCKTAE(),
    PCKTAE(latent_dim=3),
    MLPAutoencoder(hidden=()),
    MLPAutoencoder(latent_dim=5, hidden=(12,)),
    VAE(latent_dim=4, hidden=(12,)),
    AE(latent_dim=6, channels=(4, 8), hidden=9),
    ResNet18(),
    ResNet18(latent_dim=7),
    ViT(),
    ViT(hidden_dim=12, num_heads=3, num_layers=1, mlp_dim=5),
    ViT(latent_dim=9, num_layers=1),
    MLP(hidden=(12, 7)),
    MLP(hidden=()),
    VGG(width=0.125),
    VGG(width=0.001, depth=13),
    VGG(width=0.333, batch_norm=False),
    CIFARResNet(width=0.0625),
    CIFARResNet(width=0.03, depth=34),
    CIFARResNet(width=0.0625, depth=50),
]


def named(config: ModelConfig) -> str:
    given = config.model_dump(exclude_defaults=True)
    return ",".join([config.kind, *(f"{key}={value}" for key, value in given.items())])


def built(config: ModelConfig, shape: tuple[int, int, int]):
    with torch.random.fork_rng(devices=[]):
        return build(config, shape, 10)


def test_every_kind_is_asked_about():
    assert {config.kind for config in SMALL} == set(MODELS)


@pytest.mark.parametrize("shape", [DIGITS, MNIST, CIFAR])
@pytest.mark.parametrize("config", SMALL, ids=named)
def test_the_latent_dim_is_that_of_the_model(config, shape):
    model = built(config, shape).eval()
    assert latent_dim(config, shape) == model.latent_dim
    with torch.no_grad():
        assert model.encode(torch.zeros(2, *shape)).shape == (2, latent_dim(config, shape))


@pytest.mark.parametrize("kind", MODELS)
def test_classifiers_are_the_models_with_logits(kind):
    config = MODELS[kind].config()
    assert is_classifier(config) == (built(config, DIGITS).num_classes is not None) == (kind in CLASSIFIERS)


@pytest.mark.parametrize("patch_size", [1, 2, 3, 4, 5, 7, 8, 14, 28, 30])
@pytest.mark.parametrize("shape", [DIGITS, MNIST, CIFAR])
def test_an_image_problem_is_one_that_building_has(patch_size, shape):
    config = ViT(patch_size=patch_size, num_layers=1)
    problems = list(image_problems(config, shape))
    assert bool(problems) == bool(shape[1] % patch_size)
    if not problems:
        built(config, shape)
        return
    with pytest.raises(ConfigError) as caught:
        built(config, shape)
    assert [str(p) for p in caught.value.problems] == [f"model.{problem}" for problem in problems]


@pytest.mark.parametrize("config", [config for config in SMALL if config.kind != "vit"], ids=named)
def test_other_models_take_images_of_every_side(config):
    for shape in (DIGITS, MNIST, CIFAR):
        assert not list(image_problems(config, shape))


ALIKE = [
    (MLP(hidden=(12, 7)), MLP(hidden=(9, 7))),
    (MLP(hidden=(12, 7)), MLP(hidden=(12,))),
    (MLP(hidden=(12, 7)), MLP(hidden=(12, 7), bias=True)),
    (VGG(width=0.125), VGG(width=0.25)),
    (VGG(width=0.125), VGG(width=0.125, depth=13)),
    (VGG(width=0.125), VGG(width=0.25, batch_norm=False)),
    (VGG(width=0.125), VGG(width=0.125, bias=False)),
    (CIFARResNet(width=0.0625), CIFARResNet(width=0.125)),
    (CIFARResNet(width=0.0625), CIFARResNet(width=0.0625, depth=34)),
    (CIFARResNet(width=0.0625), CIFARResNet(width=0.0625, batch_norm=False)),
    (ResNet18(), ResNet18(latent_dim=7)),
    (ResNet18(latent_dim=6), ResNet18(latent_dim=7)),
    (ViT(num_layers=1), ViT(num_layers=1, hidden_dim=32)),
    (ViT(num_layers=1), ViT(num_layers=1, mlp_dim=32)),
    (ViT(num_layers=1), ViT(num_layers=1, num_heads=2)),
    (ViT(num_layers=1), ViT(num_layers=2)),
    (ViT(num_layers=1), ViT(num_layers=1, latent_dim=5)),
    (ViT(num_layers=1, patch_size=4), ViT(num_layers=1, patch_size=8)),
]


@pytest.mark.parametrize(("first", "second"), ALIKE, ids=named)
def test_models_that_differ_in_widths_alone_have_the_same_parameters_in_other_sizes(first, second):
    one, other = (built(config, DIGITS).state_dict() for config in (first, second))
    widths, layers = differences(first, second)
    assert differences(second, first) == (widths, layers)
    if not widths and not layers:
        assert {name: t.shape for name, t in one.items()} == {name: t.shape for name, t in other.items()}
    elif not layers:
        assert one.keys() == other.keys()
        assert any(one[name].shape != other[name].shape for name in one)
    elif layers != ["patch_size"]:
        assert one.keys() != other.keys(), "other layers are other parameters"


def test_equal_models_do_not_differ_and_every_field_of_a_classifier_is_judged():
    for config in SMALL:
        assert differences(config, config) == ([], [])
    fields = {name for config in SMALL if is_classifier(config) for name in type(config).model_fields}
    assert fields >= WIDTHS
    assert {type(config) for config in SMALL} == set(get_args(get_args(ModelConfig)[0]))
