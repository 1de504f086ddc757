import pytest
import torch
from pydantic import ValidationError
from torchvision.models import VisionTransformer, resnet18, vit_b_16

from framework.errors import ConfigError
from framework.models import build
from framework.models.config import ResNet18, ViT

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8)]
SMALL = {"hidden_dim": 24, "num_layers": 2, "num_heads": 3, "mlp_dim": 40}


def unsettle(model):
    """Weights and running statistics that are not those of a new model: its head, for one, may be all zero."""
    torch.manual_seed(1)
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            tensor.data += 0.1 * torch.rand_like(tensor)
    return model.eval()


def three_channels(images):
    return torch.cat([images] * 3, dim=1) if images.shape[1] == 1 else images


@pytest.mark.parametrize("shape", SHAPES)
def test_resnet18_is_torchvisions(shape):
    model = unsettle(build(ResNet18(), shape, num_classes=7))
    reference = resnet18(weights=None, num_classes=7).eval()
    reference.load_state_dict(model.state_dict())
    images = torch.rand(4, *shape)
    with torch.no_grad():
        logits = reference(three_channels(images))
        assert torch.equal(model.decode(model.encode(images)), logits)
        assert torch.equal(model(images), logits)
    assert model.latent_dim == 512


@pytest.mark.parametrize("shape", SHAPES)
def test_vit_is_torchvisions(shape):
    model = unsettle(build(ViT(patch_size=4, **SMALL), shape, num_classes=7))
    reference = VisionTransformer(image_size=shape[1], patch_size=4, num_classes=7, **SMALL).eval()
    reference.load_state_dict(model.state_dict())
    images = torch.rand(4, *shape)
    with torch.no_grad():
        logits = reference(three_channels(images))
        assert torch.equal(model.decode(model.encode(images)), logits)
        assert torch.equal(model(images), logits)
    assert model.latent_dim == 24


def test_the_values_that_make_a_vit_b_16():
    config = ViT(patch_size=16, hidden_dim=768, num_layers=12, num_heads=12, mlp_dim=3072)
    with torch.device("meta"):
        state = build(config, (3, 224, 224), num_classes=10).state_dict()
        reference = vit_b_16(weights=None, num_classes=10).state_dict()
    assert {name: tensor.shape for name, tensor in state.items()} == {
        name: tensor.shape for name, tensor in reference.items()
    }


@pytest.mark.parametrize("config", [ResNet18, lambda **latent: ViT(**SMALL, **latent)])
def test_a_latent_size_puts_a_linear_layer_before_the_head(config):
    torch.manual_seed(0)
    wide = unsettle(build(config(), (1, 8, 8)))
    model = unsettle(build(config(latent_dim=6), (1, 8, 8)))
    shared = {n: t for n, t in wide.state_dict().items() if not n.startswith(("fc", "heads"))}
    model.load_state_dict(shared, strict=False)
    images = torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        expected = wide.encode(images) @ model.bottleneck.weight.T + model.bottleneck.bias
        torch.testing.assert_close(model.encode(images), expected)
    assert model.latent_dim == 6
    assert model.decode(torch.zeros(2, 6)).shape == (2, 10)


def test_images_that_a_classifier_cannot_take():
    for config in (ResNet18(), ViT()):
        with pytest.raises(ConfigError, match="1 or 3 channels"):
            build(config, (2, 8, 8))
    with pytest.raises(ConfigError, match="square"):
        build(ViT(), (1, 8, 12))
    with pytest.raises(
        ConfigError, match=r"model\.patch_size: is 5, which does not divide a side of 28.*1, 2, 4, 7"
    ):
        build(ViT(patch_size=5), (1, 28, 28))


def test_heads_that_cannot_share_the_width():
    with pytest.raises(ValidationError, match=r"hidden_dim: is 10, no multiple of num_heads \(4\)"):
        ViT(hidden_dim=10, num_heads=4)
