import pytest
import torch

import framework.ssl
from framework.errors import ConfigError, InvalidInput, TrainingDiverged
from framework.ssl import (
    BYOL,
    DCL,
    BarlowTwins,
    FastSiam,
    General_Model,
    LeJEPA,
    Method,
    MoCo,
    SiaSiam,
    SimCLR,
    SimSiam,
    VICReg,
    VISReg,
    build,
)
from framework.ssl.config import CONFIGS
from framework.ssl.parts import LinearProjection, MLPProjection, SmallResNet, Torchvision
from framework.ssl.quick import WITH_BANK

QUICK = [SimCLR, MoCo, BYOL, SimSiam, BarlowTwins, VICReg, DCL, FastSiam, LeJEPA, VISReg]
GREY = {"image_shape": (1, 8, 8)}


def test_every_method_has_its_line():
    assert {model.kind for model in QUICK} == set(CONFIGS)
    assert SiaSiam is SimSiam
    assert all(issubclass(model, General_Model) and issubclass(model, Method) for model in QUICK)
    assert set(framework.ssl.__all__) >= {model.__name__ for model in QUICK}


def test_the_line_of_the_specification():
    model = BarlowTwins(backbone="ResNet", memory_bank=False, projectionhead="linear")
    assert model.config == CONFIGS["barlow_twins"].parse({"projection": "linear"})
    assert model.num_features == 512
    expected = build(model.config, (3, 32, 32), 0, Torchvision(name="resnet18")).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("quick", QUICK)
@pytest.mark.parametrize("head", ["linear", "MLP"])
def test_a_step_of_each(quick, head):
    model = quick(SmallResNet(width=0.03125), projectionhead=head, **GREY)
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    losses = model.loss(torch.rand(model.config.views, 4, 1, 8, 8))
    losses.total.backward()
    optimiser.step()
    model.after_step()
    assert model.encode(torch.rand(3, 1, 8, 8)).shape == (3, 16)
    assert model.config.projection == CONFIGS[quick.kind].parse({"projection": head.lower()}).projection


@pytest.mark.parametrize(
    ("quick", "options"), [(BYOL, {}), (MoCo, {}), (SimSiam, {"momentum": 0.9}), (VICReg, {"momentum": 0.9})]
)
def test_the_loop_of_the_docs_moves_the_target(quick, options):
    options = options | ({"stop_gradient": True} if quick is VICReg else {})
    model = quick("mlp", **options, **GREY)
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    before = [value.clone() for value in model.target_backbone.parameters()]
    model.loss(torch.rand(2, 4, 1, 8, 8)).total.backward()
    optimiser.step()
    model.after_step()
    m = model.config.momentum
    pairs = zip(before, model.target_backbone.parameters(), model.backbone.parameters(), strict=True)
    for was, target, online in pairs:
        assert not torch.equal(was, target)
        torch.testing.assert_close(target, m * was + (1 - m) * online)


@pytest.mark.parametrize(("memory_bank", "size"), [(True, 4096), (False, 0), (64, 64), (None, None)])
def test_memory_banks(memory_bank, size):
    for quick, usual in ((MoCo, 4096), (SimCLR, 0)):
        model = quick("mlp", memory_bank, **GREY)
        assert model.config.memory_bank_size == (usual if size is None else size)


def test_a_bank_of_a_size_by_its_field():
    for given in ({"memory_bank": True}, {"memory_bank": 16}, {}):
        assert MoCo("mlp", memory_bank_size=16, **given, **GREY).config.memory_bank_size == 16


def test_methods_with_a_bank():
    assert {quick.__name__ for quick in QUICK if "memory_bank_size" in CONFIGS[quick.kind].model_fields} == {
        *WITH_BANK
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"projection": {"kind": "mlp", "hidden": [8], "output": 4}}, ("mlp", (8,), 4)),
        ({"projection": MLPProjection(hidden=(8,), output=4)}, ("mlp", (8,), 4)),
        ({"projection": "mlp"}, ("mlp", (512,) * 4, 128)),
        ({"projection": {"output": 4}}, ("mlp", (512,) * 4, 4)),
        ({"projection": {"output": 4}, "projectionhead": "linear"}, ("linear", None, 4)),
        ({"projection": {"kind": "mlp", "output": 4}, "projectionhead": "MLP"}, ("mlp", (512,) * 4, 4)),
        ({}, ("linear", None, None)),
    ],
)
def test_a_projection_that_is_given_stands_above_the_default(given, expected):
    found = SimCLR("mlp", **given, **GREY).config.projection
    assert (found.kind, getattr(found, "hidden", None), found.output) == expected


def test_fields_of_the_config_by_name():
    model = SimCLR("mlp", projectionhead="MLP", views=3, strategy="mean_n", projection={"output": 7}, **GREY)
    assert (model.config.views, model.config.strategy, model.config.projection.output) == (3, "mean_n", 7)
    assert model.config.projection.hidden == (512,) * 4


@pytest.mark.parametrize("quick", QUICK)
def test_views_that_are_not_finite(quick):
    model = quick(SmallResNet(width=0.03125), **GREY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    views = torch.rand(model.config.views, 4, 1, 8, 8)
    views[1, 2, 0, 3, 3:5] = float("nan")
    with pytest.raises(InvalidInput, match="views: view 1 has 2 values that are NaN or infinite"):
        model.loss(views)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("quick", QUICK)
def test_weights_that_have_diverged(quick):
    model = quick("mlp", **GREY)
    with torch.no_grad():
        for value in model.backbone.parameters():
            value.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match=f"the loss of {quick.__name__} is nan with finite views"):
        model.loss(torch.rand(model.config.views, 4, 1, 8, 8))


def test_a_bank_outlives_weights_that_have_diverged():
    model = MoCo("mlp", **GREY)
    before = model.criterion.memory_bank.bank.clone()
    model.target_projection.layers[-1].bias.data.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="and the memory bank is left as it was"):
        model.loss(torch.rand(2, 4, 1, 8, 8))
    assert torch.equal(model.criterion.memory_bank.bank, before)


def test_equal_seeds():
    first, second, other = (VICReg("mlp", seed=seed, **GREY).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    ("quick", "given", "told"),
    [
        (BYOL, {"projectionhead": "liner"}, r"projectionhead: is 'liner'; did you mean `linear`\?"),
        (BYOL, {"projectionhead": "MPL"}, r"projectionhead: is 'MPL'; did you mean `MLP`\?"),
        (BYOL, {"backbone": "ResNett"}, r"backbone: is 'ResNett'; did you mean `resnet`\?"),
        (BYOL, {"backbone": None}, r"backbone: is None; allowed: the name of a network"),
        (BYOL, {"backbone": 18, "image_shape": (8, 8)}, r"(?s)backbone: is 18.*image_shape: is \(8, 8\)"),
        (BYOL, {"image_shape": (8, 8)}, r"image_shape: is \(8, 8\); allowed: \(channels, height, width\)"),
        (BYOL, {"image_shape": (1, 8, 0)}, r"image_shape: is \(1, 8, 0\)"),
        (BYOL, {"image_shape": (1, 8.0, 8)}, r"image_shape: is \(1, 8\.0, 8\)"),
        (BYOL, {"backbone": "mlp", "image_shape": (8, 8)}, r"image_shape: is \(8, 8\); allowed: \(channels, h"),
        (BYOL, {"backbone": "mlp", "image_shape": ()}, r"image_shape: is \(\)"),
        (BYOL, {"image_shape": 32}, r"image_shape: is 32"),
        (BYOL, {"memory_bank": True}, r"memory_bank: is True, but BYOL has no negatives that a bank could hold"),
        (BYOL, {"temprature": 1}, r"temprature: unknown key"),
        (SimCLR, {"temprature": 1}, r"temprature: unknown key; did you mean `temperature`\?"),
        (SimCLR, {"memory_bank": -3}, r"memory_bank_size: is -3"),
        (
            SiaSiam,
            {"backbone": "ResNet", "memory_bank": True, "projectionhead": "MLP"},
            r"take a method that has: Sim",
        ),
        (MoCo, {"memory_bank": "no"}, r"memory_bank: is 'no'; allowed: True, False, or a whole number"),
        (MoCo, {"memory_bank": 2.7}, r"memory_bank: is 2\.7; allowed: True, False"),
        (BYOL, {"memory_bank": "no"}, r"memory_bank: is 'no'; allowed: True, False"),
        (
            MoCo,
            {"memory_bank": 8, "memory_bank_size": 16},
            r"memory_bank: is 8, but memory_bank_size is 16; leave",
        ),
        (MoCo, {"memory_bank": False, "memory_bank_size": 16}, r"is False, but memory_bank_size is 16"),
        (MoCo, {"memory_bank": True, "memory_bank_size": 0}, r"is True, but memory_bank_size is 0"),
        (
            SimCLR,
            {"projectionhead": "linear", "projection": "mlp"},
            r"projectionhead: is 'linear', but projection",
        ),
        (
            SimCLR,
            {"projectionhead": "linear", "projection": {"kind": "mlp"}},
            r"kind 'mlp'; leave one of them out",
        ),
        (
            SimCLR,
            {"projectionhead": "MLP", "projection": LinearProjection()},
            r"but projection is of the kind 'lin",
        ),
        (SimCLR, {"projection": None}, r"projection: is None"),
        (SimCLR, {"views": 4}, r"strategy: is none, which takes 2 views, not 4"),
    ],
)
def test_wrong_words(quick, given, told):
    with pytest.raises(ConfigError, match=told):
        quick(**given)


def test_wrong_words_come_together():
    with pytest.raises(ConfigError) as told:
        DCL(memory_bank=5, projectionhead="none", views=12)
    assert {problem.key for problem in told.value.problems} == {"memory_bank", "projectionhead", "views"}


def test_the_base_is_no_method():
    with pytest.raises(TypeError, match="abstract"):
        General_Model()


def test_no_seed():
    with pytest.raises(InvalidInput, match="seed: is '1'"):
        BYOL("mlp", seed="1")


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'BYOLL'"):
        framework.ssl.BYOLL  # noqa: B018
