import pytest

from framework.errors import ConfigError
from framework.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"kind": "pcktae"}, "ends in ReLU"),
        ({"kind": "vae"}, "decoder of vae ends in a sigmoid.*model.output=linear"),
        ({"kind": "ae"}, "decoder of ae ends in a sigmoid"),
    ],
)
def test_a_decoder_that_cannot_reach_standardised_images_is_refused(model, reason):
    with pytest.raises(ConfigError, match=reason):
        TrainingConfig.parse({"model": model, "data": {"normalise": "standard"}})
    TrainingConfig.parse({"model": model})


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "vae", "output": "linear"},
        {"kind": "ae", "output": "linear"},
        {"kind": "mlp_autoencoder"},
        {"kind": "resnet18"},
        {"kind": "vit"},
        {"kind": "mlp"},
        {"kind": "vgg"},
        {"kind": "cifar_resnet"},
    ],
)
def test_standardised_images_are_taken_where_they_can_be(model):
    assert TrainingConfig.parse({"model": model, "data": {"normalise": "standard"}}).data.normalise == "standard"


@pytest.mark.parametrize("classes", [[1, 0], [2, 2, 3], [-1, 3], []])
def test_classes_are_named_once_in_ascending_order(classes):
    with pytest.raises(ConfigError, match="classes"):
        TrainingConfig.parse({"classes": classes})


def test_what_is_trained_differs_has_another_identity():
    configs = [
        TrainingConfig.parse(changes)
        for changes in (
            {},
            {"classes": [0, 1]},
            {"classes": [0, 2]},
            {"schedule": "linear"},
            {"model": {"kind": "vae"}},
            {"model": {"kind": "vgg"}},
            {"optimizer": {"kind": "sgd"}},
            {"optimizer": {"kind": "sgd", "momentum": 0.5}},
            {"early_stopping": 3},
            {"augment": "flip_crop"},
            {"warmup_epochs": 2},
        )
    ]
    assert len({config.config_id for config in configs}) == len(configs)
    assert TrainingConfig(classes=None, schedule="constant").config_id == configs[0].config_id
