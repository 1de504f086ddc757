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


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.parse(changes)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": {"val_fraction": 0.001}}, ["data.val_fraction: is 0.001"]),
        ({"data": {"name": "cifar100", "val_fraction": 0.0019}}, ["data.val_fraction: is 0.0019"]),
        ({"model": {"kind": "vit", "patch_size": 5}}, ["model.patch_size: is 5, which does not divide"]),
        ({"model": {"kind": "vit", "hidden_dim": 10, "num_heads": 4}}, ["model.hidden_dim: is 10, no multiple"]),
        ({"classes": [3, 12]}, ["classes: names 12, of which the train split of digits has no image"]),
        ({"classes": [3, 3]}, ["classes: is [3, 3]; allowed: each class once"]),
        ({"trainer": {"devices": 2}}, ["trainer.devices: a run has one device, or as many"]),
        ({"warmup_epochs": 30}, ["warmup_epochs is 30; allowed: below max_epochs (30)"]),
        ({"milestones": [3], "gamma": 0.5}, ["milestones ((3,)) and gamma (0.5) would not be read"]),
        (
            {
                "data": {"val_fraction": 0.001, "test_fraction": 0.002, "normalise": "standard"},
                "model": {"kind": "vae"},
                "classes": [11],
                "optimizer": {"kind": "sgd", "momentum": 0.0, "nesterov": True},
                "trainer": {"logger": True, "callbacks": []},
                "schedule": "multistep",
            },
            [
                "optimizer.nesterov: is true",
                "milestones is []",
                "the decoder of vae ends in a sigmoid",
                "data.val_fraction: is 0.001",
                "data.test_fraction: is 0.002",
                "classes: names 11",
                "trainer.callbacks: ",
                "trainer.logger: ",
            ],
        ),
    ],
)
def test_what_contradicts_itself_is_told_whole(changes, expected):
    found = problems(**changes)
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)
