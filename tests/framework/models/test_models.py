import sys
from subprocess import run

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from framework.errors import ConfigError
from framework.models import MODELS, build, describe
from framework.models.config import PCKTAE, MLPAutoencoder, ModelConfig

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 8, 8)]
AUTOENCODERS = ("pcktae", "mlp_autoencoder", "vae", "ae")
CLASSIFIERS = ("resnet18", "vit", "mlp", "vgg", "cifar_resnet")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", MODELS)
def test_encode_decode_and_forward_have_the_declared_shapes(kind, shape):
    config = MODELS[kind].config
    takes_a_size = "latent_dim" in config.model_fields
    model = build(config(latent_dim=5) if takes_a_size else config(), shape, num_classes=7).eval()
    size = 5 if takes_a_size else model.latent_dim
    images = torch.rand(3, *shape)
    latents = model.encode(images)
    assert latents.shape == (3, size)
    assert model.decode(latents).shape == ((3, 7) if kind in CLASSIFIERS else images.shape)
    assert torch.equal(model(images), model.decode(latents))
    assert (model.latent_dim, model.input_shape) == (size, shape)


@pytest.mark.parametrize("kind", MODELS)
def test_task_and_number_of_classes(kind):
    model = build(MODELS[kind].config(), (1, 8, 8), num_classes=7)
    expected = ("classification", 7) if kind in CLASSIFIERS else ("reconstruction", None)
    assert (model.task, model.num_classes) == expected


@pytest.mark.parametrize("kind", MODELS)
def test_equal_seeds_give_equal_weights(kind):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build(MODELS[kind].config(), (1, 8, 8)).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_pcktae_has_441_features_at_28_pixels():
    assert build(PCKTAE(), (1, 28, 28)).features == 441
    assert build(PCKTAE(), (3, 32, 32)).features == 27 * 8 * 8


def test_the_layers_of_a_pcktae_are_those_of_its_description():
    model = build(PCKTAE(latent_dim=10), (1, 28, 28))
    names = [type(layer).__name__ for layer in [*model.encoder, *model.decoder]]
    encoder, decoder = "Conv2d BatchNorm2d Dropout GELU " * 2, "DoublingConvTranspose2d BatchNorm2d Dropout "
    expected = f"{encoder} Flatten Linear Linear Unflatten {decoder} GELU {decoder} ReLU"
    assert names == expected.split()
    assert {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)} == {0.2}
    # Conv, BN twice; Linear; Linear; ConvT, BN twice: counted by hand for 1x28x28 and 10 latent dimensions.
    encoder = (25 * 3 + 3) + 6 + (25 * 3 * 9 + 9) + 18 + (441 * 10 + 10)
    decoder = (10 * 441 + 441) + (16 * 9 * 3 + 3) + 6 + (16 * 3 * 1 + 1) + 2
    assert sum(p.numel() for p in model.parameters()) == encoder + decoder


@pytest.mark.parametrize("kind", AUTOENCODERS)
def test_initial_biases_and_weights(kind):
    for layer in build(MODELS[kind].config(), (1, 28, 28)).modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            assert (layer.bias == 0).all()
        elif isinstance(layer, torch.nn.Linear):
            assert torch.allclose(layer.bias, torch.tensor(0.01))
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert 0.85 * bound < layer.weight.abs().max() <= bound


def test_a_pcktae_gives_no_negative_pixel():
    model = build(PCKTAE(), (1, 8, 8)).eval()
    assert model.decode(10 * torch.randn(50, 8)).min() >= 0


def test_eval_mode_is_deterministic_and_train_mode_is_not():
    model, images = build(PCKTAE(), (1, 8, 8)), torch.rand(4, 1, 8, 8)
    assert not torch.equal(model.train()(images), model(images))
    assert torch.equal(model.eval()(images), model(images))


@pytest.mark.parametrize("shape", [(1, 30, 30), (1, 28, 32)])
def test_a_pcktae_refuses_images_that_it_cannot_halve_twice(shape):
    with pytest.raises(ConfigError, match="side that is a multiple of 4"):
        build(PCKTAE(), shape)


def test_the_mlp_mirrors_its_hidden_layers():
    model = build(MLPAutoencoder(hidden=(20, 10), latent_dim=4), (1, 8, 8))
    sizes = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert sizes == [(64, 20), (20, 10), (10, 4), (4, 10), (10, 20), (20, 64)]
    assert build(MLPAutoencoder(hidden=()), (1, 8, 8))(torch.rand(2, 1, 8, 8)).shape == (2, 1, 8, 8)


def test_kind_selects_the_config_and_a_wrong_one_is_refused():
    adapter = TypeAdapter(ModelConfig)
    assert isinstance(adapter.validate_python({"kind": "mlp_autoencoder", "hidden": [5]}), MLPAutoencoder)
    with pytest.raises(ValidationError, match="pcktae"):
        adapter.validate_python({"kind": "unet"})
    with pytest.raises(ValidationError, match="hidden"):
        adapter.validate_python({"kind": "pcktae", "hidden": [5]})


def test_the_listing_has_a_row_a_kind_and_leaves_the_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    rows = describe((1, 28, 28))
    assert torch.equal(before, torch.get_rng_state())
    assert [row.key for row in rows] == list(MODELS)
    pocket = next(row for row in rows if row.key == "pcktae")
    assert pocket == ("pcktae", "reconstruction", 8783, (1, 28, 28), True, True)
    assert [row.key for row in rows if row.task == "classification"] == list(CLASSIFIERS)


def test_the_configs_need_neither_torch_nor_numpy():
    code = "import framework.models.config, sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    run([sys.executable, "-c", code], check=True)
