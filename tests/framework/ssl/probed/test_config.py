import pytest

from framework.errors import ConfigError
from framework.ssl.backbones import build_backbone
from framework.ssl.probed.config import ProbeConfig
from framework.ssl.training.config import EncoderConfig


@pytest.mark.parametrize(
    "backbone",
    [
        {"kind": "mlp", "hidden": [20, 7]},
        {"kind": "cifar_resnet", "width": 0.02},
        {"kind": "cifar_resnet", "width": 0.02, "depth": 50},
    ],
)
def test_the_features_are_counted_as_the_backbone_has_them(backbone):
    config = ProbeConfig.parse({"encoder": {"backbone": backbone}})
    assert config.num_features == build_backbone(config.encoder.backbone, (1, 8, 8)).num_features


def test_of_a_library_the_number_is_not_known_beforehand():
    assert ProbeConfig.parse({"encoder": {"backbone": {"kind": "torchvision"}}}).num_features is None


def test_weights_are_part_of_the_identity_and_the_device_is_not():
    config = ProbeConfig()
    assert config.untrained == ProbeConfig(weights="initial")
    assert config.untrained.config_id != config.config_id
    assert ProbeConfig(device="cpu").config_id == config.config_id


def test_what_contradicts_itself_in_the_encoder_is_told_with_its_key():
    with pytest.raises(ConfigError, match=r"encoder\.batch_size: is 5000"):
        ProbeConfig.parse({"encoder": {"batch_size": 5000}})
    with pytest.raises(ConfigError, match="weights"):
        ProbeConfig.parse({"weights": "epoch_0002"})


def test_the_images_are_the_encoders():
    encoder = EncoderConfig.parse({"data": {"split_seed": 3}})
    assert ProbeConfig(encoder=encoder).data is encoder.data
