"""What an encoder's config is, and what of it cannot be done."""

import pytest

from framework.errors import ConfigError
from framework.ssl.training.config import EncoderConfig, FreshEncoder, required_by
from framework.training.optimizers import rate_factor


def refused(**given):
    with pytest.raises(ConfigError) as caught:
        EncoderConfig.parse(given)
    return str(caught.value)


def test_a_fresh_encoder_is_the_same_whether_it_could_have_begun_elsewhere():
    assert EncoderConfig().config_id == FreshEncoder().config_id
    assert EncoderConfig.parse({"start": "from_other"}).config_id != EncoderConfig().config_id


def test_the_step_size_follows_the_batch():
    assert EncoderConfig(batch_size=256).step_size == pytest.approx(0.12)
    assert EncoderConfig(batch_size=256, rate_per=None).step_size == 0.06
    assert EncoderConfig(batch_size=32).as_trained.learning_rate == pytest.approx(0.015)


def test_added_epochs_have_a_schedule_of_their_own():
    config = EncoderConfig(max_epochs=10, extra_epochs=4, warmup_epochs=2).as_trained
    assert [rate_factor(config, epoch) for epoch in (0, 2)] == pytest.approx([1.0, 0.5])
    message = refused(extra_epochs=2, schedule="multistep", milestones=[3])
    assert "schedule: is multistep, which has milestones of max_epochs" in message


def test_what_is_required():
    assert required_by(EncoderConfig()) is None
    assert required_by(EncoderConfig(extra_epochs=3)) == EncoderConfig()
    other = EncoderConfig.parse({"start": {"kind": "from_other", "encoder": {"seed": 3}}})
    assert required_by(other) == EncoderConfig(seed=3)


def test_an_encoder_begins_with_one_that_began_with_another():
    """Each is the encoder that it would be by itself; what is wrong far within is told with its whole key."""
    inner = {"seed": 3}
    for seed in (2, 1, 0):
        inner = {"seed": seed, "start": {"kind": "from_other", "encoder": inner}}
    config, seeds = EncoderConfig.parse(inner), []
    while config is not None:
        seeds.append(config.seed)
        last, config = config, required_by(config)
    assert seeds == [0, 1, 2, 3]
    assert last.config_id == EncoderConfig(seed=3).config_id
    wrong = {"kind": "from_other", "encoder": {"backbone": "mlp"}}
    message = refused(start={"kind": "from_other", "encoder": {"start": wrong}})
    assert "start.encoder.start.encoder.backbone: has other weights than backbone: cifar_resnet and mlp" in message
    message = refused(start={"kind": "from_other", "encoder": {"start": {"kind": "from_other", "sed": 1}}})
    assert "start.encoder.start.sed: unknown key" in message


@pytest.mark.parametrize(
    "name", ["device", "num_workers", "compile", "channels_last", "probe", "diagnostics_every"]
)
def test_what_cannot_change_the_weights_is_no_part_of_the_identity(name):
    values = {"device": "cpu", "num_workers": 2, "compile": True, "channels_last": False, "probe": False}
    assert EncoderConfig.parse({name: values.get(name)}).config_id == EncoderConfig().config_id


def test_all_that_contradicts_itself_is_told_together():
    message = refused(
        batch_size=512,
        neighbours=200,
        data={"train_fraction": 0.1},
        method={"kind": "moco", "memory_bank_size": 64},
        backbone={"kind": "torchvision", "stem": "standard", "splits": 3},
        distortions={"preset": None, "steps": [{"kind": "grey"}]},
        trainer={"precision": 16, "devices": 2},
    )
    assert message.startswith("8 problems")
    for part in (
        "batch_size: is 512, and the train split of digits has 129 images with data.train_fraction=0.1",
        "neighbours: is 200, and the train split of digits has 129 images",
        "method.memory_bank_size: is 64, and a step has 1024 projections (2 views of 512 images)",
        "backbone.stem: is standard, and it makes less than a pixel of 8x8; set backbone.stem=small",
        "backbone.splits: is 3, which does not divide batch_size (512)",
        "distortions.steps.0.kind: is grey, and images of one channel are grey already",
        "trainer.precision: set precision beside it",
        "trainer.devices:",
    ):
        assert part in message


def test_images_without_labels():
    """stl10 alone has them; left out, they change no identity."""
    message = refused(unlabeled_fraction=0.5)
    assert "unlabeled_fraction: is 0.5, and digits has no images without labels; allowed: 0, or a set" in message
    given = {"data": {"name": "stl10", "train_fraction": 0.1}, "backbone": "cifar_resnet", "neighbours": 5}
    assert "batch_size: is 512, and the train split of stl10 has 450 images" in refused(**given, batch_size=512)
    more = EncoderConfig.parse({**given, "batch_size": 512, "unlabeled_fraction": 0.01})
    assert "unlabeled_fraction" in more.canonical_text
    assert "unlabeled_fraction" not in EncoderConfig.parse({**given, "unlabeled_fraction": 0.0}).canonical_text
    assert "(with unlabeled_fraction=0.01 1450)" in refused(**given, batch_size=2000, unlabeled_fraction=0.01)


def test_pretrained_weights_need_room():
    backbone = {"kind": "torchvision", "weights": "pretrained"}
    assert "backbone.stem: is auto, which is standard beside pretrained" in refused(backbone=backbone)
    EncoderConfig.parse({"backbone": backbone, "distortions": {"preset": "digits", "size": 32}})


def test_more_views_than_a_strategy_takes():
    assert "method.strategy: is none, which takes 2 views, not 3" in refused(method={"kind": "byol", "views": 3})
    assert "method.views" in refused(method={"kind": "byol", "views": 11, "strategy": "mean_n"})


def test_weights_that_do_not_fit():
    start = {"kind": "from_other", "parts": "all", "encoder": {"backbone": "mlp", "method": "byol"}}
    message = refused(start=start)
    assert "start.encoder.backbone: has other weights than backbone: cifar_resnet and mlp" in message
    assert "start.encoder.method: has other weights than method: simclr and byol" in message
    other = {"kind": "from_other", "encoder": {"backbone": "mlp", "data": {"name": "mnist"}}}
    assert "its images are (1, 28, 28), here they are (1, 8, 8)" in refused(start=other, backbone="mlp")
    EncoderConfig.parse({"start": {"kind": "from_other", "encoder": {"data": {"name": "mnist"}}}})
