import sys
import urllib.error

import pytest
import torch
from torch import nn
from torchvision import models

from framework.errors import ConfigError, WeightsUnavailable
from framework.ssl.backbones import build_backbone, named
from framework.ssl.parts import Dense, SmallResNet, Timm, Torchvision


def built(config, shape=(3, 32, 32), seed=0):
    torch.manual_seed(seed)
    return build_backbone(config, shape)


# One network of each family that is built in moments: its features, and a side that it takes.
FAMILIES = {
    "resnet18": (512, 32),
    "mobilenet_v2": (1280, 32),
    "mobilenet_v3_small": (1024, 32),
    "shufflenet_v2_x0_5": (1024, 32),
    "squeezenet1_1": (512, 64),
    "efficientnet_b0": (1280, 32),
    "mnasnet0_5": (1280, 32),
    "regnet_x_400mf": (400, 32),
    "densenet121": (1024, 32),
    "googlenet": (1024, 32),
    "inception_v3": (2048, 75),
    "convnext_tiny": (768, 32),
    "swin_t": (768, 32),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_of_torchvision_without_their_classifier(name):
    width, side = FAMILIES[name]
    backbone = built(Torchvision(name=name), (1, side, side))
    assert backbone.num_features == width
    assert backbone.training
    features = backbone(torch.rand(2, 1, side, side))
    assert features.shape == (2, width)
    features.sum().backward()
    assert sum(p.grad is not None for p in backbone.parameters()) == len(list(backbone.parameters()))


def test_features_are_what_the_classifier_was_given():
    torch.manual_seed(0)
    whole = models.mobilenet_v3_small(weights=None).eval()
    backbone = built(Torchvision(name="mobilenet_v3_small", stem="standard")).eval()
    images, seen = torch.rand(2, 3, 32, 32), []
    whole.classifier[3].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    whole(images)
    torch.testing.assert_close(backbone(images), seen[0])


def test_the_standard_stem_is_the_librarys():
    torch.manual_seed(0)
    whole = models.resnet18(weights=None)
    whole.fc = nn.Identity()
    backbone, images = built(Torchvision(stem="standard")), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(backbone(images), whole(images))


@pytest.mark.parametrize(
    ("stem", "side", "small"),
    [("auto", 64, True), ("auto", 65, False), ("small", 65, True), ("standard", 8, False)],
)
def test_which_stem(stem, side, small):
    body = built(Torchvision(stem=stem), (3, side, side)).body
    assert body.conv1.kernel_size == ((3, 3) if small else (7, 7))
    assert body.conv1.stride == ((1, 1) if small else (2, 2))
    assert isinstance(body.maxpool, nn.Identity) is small


def test_a_small_stem_keeps_the_images_size_to_the_first_layer():
    body = built(Torchvision()).body
    assert body.maxpool(body.relu(body.bn1(body.conv1(torch.rand(1, 3, 32, 32))))).shape == (1, 64, 32, 32)


def test_grey_images_are_repeated():
    backbone = built(Torchvision(), (1, 16, 16)).eval()
    coloured = built(Torchvision(), (3, 16, 16)).eval()
    grey = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(backbone(grey), coloured(grey.repeat(1, 3, 1, 1)))


def test_a_vision_transformer_of_the_size_of_the_images():
    with torch.device("meta"):
        body = models.vit_b_16(image_size=32)
    backbone = built(Torchvision(name="vit_b_16"))
    assert backbone.num_features == 768
    assert backbone.body.encoder.pos_embedding.shape == body.encoder.pos_embedding.shape == (1, 5, 768)


@pytest.mark.parametrize(
    "config", [SmallResNet(width=0.125), SmallResNet(depth=50, width=0.03125), Dense(hidden=(9,))]
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 7)])
def test_the_projects_own_take_any_images(config, shape):
    backbone = built(config, shape)
    expected = 9 if isinstance(config, Dense) else 64
    assert backbone.num_features == expected
    assert backbone(torch.rand(3, *shape)).shape == (3, expected)
    assert not any(name.endswith("linear.weight") for name in backbone.state_dict())


def test_names_tell_a_backbone():
    assert named("ResNet") == Torchvision(name="resnet18")
    assert named("ResNet50") == Torchvision(name="resnet50")
    assert named("cifar_resnet34") == SmallResNet(depth=34)
    assert named("MLP") == Dense()
    with pytest.raises(ConfigError, match=r"backbone: is 'efficientnetb0'; did you mean `efficientnet_b0`\?"):
        named("efficientnetb0")


@pytest.mark.parametrize(
    ("config", "shape", "told"),
    [
        (Torchvision(name="resnet19"), (3, 32, 32), r"backbone\.name: is 'resnet19'.*did you mean `resnet1"),
        (Torchvision(), (2, 32, 32), r"takes images with 1 or 3 channels, not \(2, 32, 32\)"),
        (
            Torchvision(name="mobilenet_v2", stem="small"),
            (3, 32, 32),
            r"stem: is small, which mobilenet_v2 has not",
        ),
        (Torchvision(name="vit_b_16"), (3, 8, 8), r"vit_b_16 cannot be built for images of the shape \(3, 8, 8\)"),
        (Torchvision(name="vit_b_16"), (3, 32, 16), r"a vision transformer takes squares"),
        (Torchvision(name="alexnet"), (3, 8, 8), r"alexnet cannot be built for images of the shape \(3, 8, 8\)"),
        (Torchvision(name="convnext_tiny", splits=2), (3, 32, 32), r"splits: is 2.*it has no BatchNorm2d"),
    ],
)
def test_what_cannot_be_built(config, shape, told):
    with pytest.raises(ConfigError, match=told):
        build_backbone(config, shape)


def test_pretrained_weights_without_a_network(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(WeightsUnavailable) as told:
        build_backbone(Torchvision(weights="pretrained"), (3, 32, 32))
    message = str(told.value)
    assert "the pretrained weights of resnet18 are not on this machine" in message
    assert f"put resnet18-f37072fd.pth to {tmp_path}/checkpoints/resnet18-f37072fd.pth" in message
    assert "or set backbone.weights=random" in message


def test_pretrained_weights_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    torch.manual_seed(3)
    saved = models.resnet18(weights=None).state_dict()
    (tmp_path / "checkpoints").mkdir()
    torch.save(saved, tmp_path / "checkpoints" / "resnet18-f37072fd.pth")
    backbone = built(Torchvision(weights="pretrained"))
    assert backbone.body.conv1.kernel_size == (7, 7)  # the first convolution is kept
    torch.testing.assert_close(backbone.body.conv1.weight, saved["conv1.weight"])
    torch.testing.assert_close(backbone.body.layer4[1].conv2.weight, saved["layer4.1.conv2.weight"])


def test_without_timm_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"is timm, which is not installed here; pip install 'sashiko\[timm\]'"):
        build_backbone(Timm(), (3, 32, 32))


class TestTimm:
    """Needs the extra `timm`."""

    @pytest.fixture(autouse=True)
    def timm(self):
        return pytest.importorskip("timm")

    @pytest.mark.parametrize(
        ("name", "width"), [("resnet18", 512), ("vit_tiny_patch16_224", 192), ("mobilenetv3_small_050", 1024)]
    )
    def test_networks_by_name(self, name, width):
        backbone = built(Timm(name=name), (1, 32, 32))
        assert backbone.num_features == width
        assert backbone(torch.rand(2, 1, 32, 32)).shape == (2, width)
        assert isinstance(getattr(backbone.body, "maxpool", None), nn.Identity) is (name == "resnet18")

    def test_features_are_those_of_timm(self, timm):
        torch.manual_seed(0)
        whole = timm.create_model("resnet18", num_classes=0).eval()
        images = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(built(Timm(stem="standard")).eval()(images), whole(images))

    def test_names(self):
        assert named("convnext_atto") == Timm(name="convnext_atto")
        with pytest.raises(ConfigError, match=r"is 'vit_b_16', which timm has not: is a network of torchvision"):
            build_backbone(Timm(name="vit_b_16"), (3, 32, 32))
        with pytest.raises(ConfigError, match=r"set backbone\.kind=timm"):
            build_backbone(Torchvision(name="convnext_atto"), (3, 32, 32))
        with pytest.raises(ConfigError, match=r"is 'resnt18', which timm has not: did you mean `resnet18`\?"):
            build_backbone(Timm(name="resnt18"), (3, 32, 32))

    def test_normalisation_that_is_joined_with_something_else(self):
        with pytest.raises(ConfigError, match="its normalisation is BatchNormAct2d"):
            build_backbone(Timm(name="efficientnet_b0", splits=2), (3, 32, 32))

    def test_pretrained_weights_without_a_network(self, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(WeightsUnavailable, match="the pretrained weights of resnet18 are not on this machine"):
            build_backbone(Timm(weights="pretrained"), (3, 32, 32))
