import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.errors import InvalidInput
from framework.models import MODELS, build
from framework.models.config import AE, MLP, PCKTAE, VAE, VGG, CIFARResNet, MLPAutoencoder, ResNet18, ViT
from framework.models.folding import Folded
from framework.models.split import split, stitching_points

SHAPE = (1, 8, 8)
SMALL = (
    PCKTAE(),
    MLPAutoencoder(),
    VAE(hidden=(20, 10)),
    AE(channels=(4, 6), hidden=10),
    ResNet18(),
    ViT(hidden_dim=8, num_layers=2),
    MLP(hidden=(10, 9, 8, 7)),
    VGG(width=0.1),
    CIFARResNet(width=0.1),
)


class Residual(nn.Module):
    """A user's own module: a residual block, functions between its layers, sizes taken from tensors."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 12)
        self.inner = nn.Linear(12, 12)
        self.drop = nn.Dropout(0.5)
        self.shared = nn.ReLU(inplace=True)
        self.last = nn.Linear(24, 7)
        self.scale = nn.Parameter(torch.rand(1, 12))
        self.register_buffer("shift", torch.rand(12))

    def forward(self, images):
        count = images.shape[0]
        features = self.shared(self.first(images.reshape(count, -1)))
        features = self.drop(F.dropout(features, training=self.training))
        features = features + self.shared(self.inner(features))
        own = (self.scale + self.shift).expand(count, -1).to(images.device)
        joined = torch.cat([features, own], dim=1)
        return self.last(joined.view(2 * count, -1).reshape(count, features.shape[1] * 2))


@pytest.fixture(scope="module")
def residual():
    torch.manual_seed(0)
    return Residual().eval()


def test_the_small_configs_are_of_every_kind():
    assert {config.kind for config in SMALL} == set(MODELS)


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.kind)
def test_every_layer_that_is_offered_gives_the_models_outputs(config):
    torch.manual_seed(0)
    model = build(config, SHAPE).eval()
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
        images = torch.rand(4, *SHAPE)
        expected = model(images)
        points = stitching_points(model, SHAPE)
        assert len(points) >= 10
        for layer, size in points.items():
            cut = split(model, layer, SHAPE)
            latents = cut.encode(images)
            kept = latents.clone()
            assert latents.shape == (4, size)
            assert torch.equal(cut.decode(latents), expected), layer
            assert torch.equal(latents, kept), layer
            torch.testing.assert_close(cut.decode(latents[:1]), expected[:1])
            assert (cut.latent_dim, cut.task, cut.num_classes) == (size, model.task, model.num_classes)


def test_the_latents_are_what_the_layer_gives():
    model, images, seen = build(ResNet18(), SHAPE).eval(), torch.rand(3, *SHAPE), []
    cut = split(model, "layer2", SHAPE)
    model.layer2.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    with torch.no_grad():
        model(images)
        assert torch.equal(cut.encode(images), seen[0].flatten(1))


def test_points_of_a_resnet_lie_between_its_blocks():
    points = stitching_points(build(ResNet18(), (3, 32, 32)), (3, 32, 32))
    assert points["layer2"] == points["layer2.1"] == 128 * 4 * 4
    assert points["layer4.1"] == 512
    assert points["avgpool"] == 512
    assert not [name for name in points if name.count(".") > 1]
    assert (next(iter(points)), list(points)[-1]) == ("conv1", "fc")


def test_points_of_a_vit_lie_between_its_layers():
    points = stitching_points(build(ViT(hidden_dim=8, num_layers=2), (1, 28, 28)), (1, 28, 28))
    assert points["encoder.layers.encoder_layer_1"] == 50 * 8
    assert points["encoder.ln"] == 50 * 8
    assert points["heads.head"] == 10
    assert "encoder.layers.encoder_layer_0.mlp" not in points


def test_what_runs_past_a_layer_is_named_with_the_layers_that_can_be_cut_at():
    model = build(ResNet18(), SHAPE)
    with pytest.raises(InvalidInput) as caught:
        split(model, "layer2.0.conv1", SHAPE)
    message = str(caught.value)
    assert (
        "layer: is 'layer2.0.conv1', past which other values run (layer1.1.relu, layer2.0.downsample.1)" in message
    )
    assert "behind conv1, bn1, relu, maxpool, layer1.0, layer1.1, layer1, layer2.0" in message


def test_an_unknown_layer_and_one_without_an_output_of_its_own():
    model = build(ResNet18(), SHAPE)
    with pytest.raises(InvalidInput, match="is 'layr2', did you mean `layer2`"):
        split(model, "layr2", SHAPE)
    with pytest.raises(InvalidInput, match=r"is 'layer1\.0\.relu', which runs more than once"):
        split(model, "layer1.0.relu", SHAPE)
    with pytest.raises(InvalidInput, match=r"self_attention\.out_proj', .* inside a layer that is taken whole"):
        split(build(ViT(), SHAPE), "encoder.layers.encoder_layer_0.self_attention.out_proj", SHAPE)
    with pytest.raises(InvalidInput, match=r"is 'logvar', .* not at all"):
        split(build(MODELS["vae"].config(), SHAPE), "logvar", SHAPE)


def test_a_module_of_ones_own(residual):
    images = torch.rand(5, *SHAPE)
    assert stitching_points(residual, SHAPE) == {"first": 12, "drop": 12, "last": 7}
    for layer in ("first", "drop", "last"):
        cut = split(residual, layer, SHAPE)
        assert torch.equal(cut(images), residual(images))
        assert (cut.task, cut.num_classes) == ("classification", 7)
    with pytest.raises(InvalidInput, match=r"past which other values run \(drop\): the rest needs both"):
        split(residual, "inner", SHAPE)


def test_both_parts_hold_the_models_own_layers(residual):
    cut = split(residual, "first", SHAPE)
    before = cut(torch.ones(1, *SHAPE))
    weights = residual.last.weight.detach().clone()
    with torch.no_grad():
        residual.last.weight.add_(1)
    assert not torch.equal(cut(torch.ones(1, *SHAPE)), before)
    with torch.no_grad():
        residual.last.weight.copy_(weights)


def test_modes_stay_as_they_were_and_are_passed_on(residual):
    model = Residual().train()
    model.drop.eval()
    cut = split(model, "first", SHAPE)
    assert [module.training for module in (model, model.first, model.drop)] == [True, True, False]
    assert cut.training
    assert not split(residual, "first", SHAPE).training


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.weigh = nn.Linear(6, 6)

    def forward(self, features):
        return self.weigh(features) if features.sum() > 0 else features


def test_a_module_inside_that_depends_on_values_is_taken_whole():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), Branching(), nn.Linear(6, 3)).eval()
    assert list(stitching_points(model, SHAPE)) == ["0", "1", "2", "3"]
    images = torch.rand(4, *SHAPE)
    assert torch.equal(split(model, "2", SHAPE)(images), model(images))
    with pytest.raises(InvalidInput, match="inside a layer that is taken whole"):
        split(model, "2.weigh", SHAPE)


class Wrapped(nn.Module):
    """Gives what `change` makes of its inputs and its layer's outputs."""

    def __init__(self, change):
        super().__init__()
        self.layer, self.change = nn.Linear(64, 64), change

    def forward(self, images):
        return self.change(images, self.layer(images.flatten(1)))


def refusal(change, layer="layer"):
    with pytest.raises(InvalidInput) as caught:
        split(Wrapped(change).eval(), layer, SHAPE)
    return str(caught.value)


def test_modules_that_cannot_be_cut():
    assert "Wrapped: cannot be traced" in refusal(lambda x, y: y if x.sum() > 0 else -y)
    assert "Wrapped: does not run on images of shape (1, 8, 8)" in refusal(lambda x, y: y.reshape(7, 7))
    assert "on which the output does not depend" in refusal(lambda x, y: x * 2)
    assert "gives (2, 8, 8) for 2 images" in refusal(lambda x, y: y.reshape(-1, 8, 8))
    assert "values that only the images give" in refusal(lambda x, y: y * int_of(x))
    assert "other values run (the images)" in refusal(lambda x, y: y.reshape(-1, *SHAPE) + x)
    assert "it overwrites a value" in refusal(overwriting)


def overwriting(images, features):
    features.mul_(2)
    return features


@torch.fx.wrap
def int_of(images):
    """A number that is no function of how many images there are."""
    return len(images) ** 2


def test_autoencoders_of_ones_own_are_told_by_their_outputs():
    cut = split(Wrapped(lambda x, y: y.reshape(-1, *SHAPE)).eval(), "layer", SHAPE)
    assert (cut.task, cut.num_classes, cut.latent_dim) == ("reconstruction", None, 64)


def test_a_chain_of_layers_gets_a_fast_decoder():
    torch.manual_seed(0)
    model = build(PCKTAE(), (1, 28, 28)).eval()
    cut, latents = split(model, "decoder.3", (1, 28, 28)), torch.randn(5, 588)
    fast = cut.fast_decoder()
    assert isinstance(fast, Folded)
    torch.testing.assert_close(fast(latents), cut.decode(latents), atol=1e-5, rtol=1e-5)


def test_anything_else_decodes_as_it_is(residual):
    cut, latents = split(residual, "first", SHAPE), torch.randn(5, 12)
    torch.testing.assert_close(cut.fast_decoder()(latents), cut.decode(latents))
