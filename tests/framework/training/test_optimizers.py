import sys
from subprocess import run as call

import pytest
import torch
from torch import nn

from framework.errors import ConfigError
from framework.grid import Grid, choice
from framework.layers import resolve
from framework.plan import plan
from framework.training.config import TrainingConfig
from framework.training.module import build_optimizer
from framework.training.optimizers import LARS, SGD, Adam
from tests.framework.training.conftest import small_kind, train


def parsed(**changes):
    return TrainingConfig.parse(changes)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def stepped(config, steps=2):
    """Weights and biases before and after some steps, and the gradients of each."""
    model, images = network(), torch.randn(8, 3)
    optimizer = build_optimizer(model, config, fused=False)
    first = [parameter.detach().clone() for parameter in model.parameters()]
    gradients = []
    for _ in range(steps):
        optimizer.zero_grad()
        model(images).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
        optimizer.step()
    return first, gradients, [parameter.detach() for parameter in model.parameters()]


def test_the_default_is_adam_as_one_kernel():
    optimizer = build_optimizer(network(), parsed(learning_rate=0.02, weight_decay=0.1), fused=True)
    assert type(optimizer) is torch.optim.Adam
    (group,) = optimizer.param_groups
    assert {"lr": 0.02, "weight_decay": 0.1, "fused": True, "betas": (0.9, 0.999)}.items() <= group.items()


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_of_gradient_descent_by_hand(nesterov):
    rate, momentum, decay = 0.1, 0.8, 0.01
    optimizer = {"kind": "sgd", "momentum": momentum, "nesterov": nesterov}
    before, gradients, after = stepped(parsed(optimizer=optimizer, learning_rate=rate, weight_decay=decay))
    for weights, one, two, found in zip(before, *gradients, after, strict=True):
        velocity = one + decay * weights
        expected = weights - rate * ((1 + momentum) * velocity if nesterov else velocity)
        gradient = two + decay * expected
        velocity = momentum * velocity + gradient
        expected = expected - rate * (gradient + momentum * velocity if nesterov else velocity)
        torch.testing.assert_close(found, expected)


def test_a_step_of_adam_with_decoupled_decay_by_hand():
    """The first step of Adam is the sign of the gradient; the decay does not pass through it."""
    rate, decay = 0.1, 0.3
    config = parsed(optimizer="adamw", learning_rate=rate, weight_decay=decay)
    before, (gradients,), after = stepped(config, steps=1)
    for weights, gradient, found in zip(before, gradients, after, strict=True):
        expected = weights * (1 - rate * decay) - rate * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(found, expected)


def test_a_step_of_lars_by_hand():
    rate, decay, trust = 0.5, 0.01, 0.1
    optimizer = {"kind": "lars", "trust_coefficient": trust}
    config = parsed(optimizer=optimizer, learning_rate=rate, weight_decay=decay)
    before, (gradients,), after = stepped(config, steps=1)
    for weights, gradient, found in zip(before, gradients, after, strict=True):
        step = gradient
        if weights.ndim > 1:
            scale = trust * weights.norm() / (gradient.norm() + decay * weights.norm())
            step = scale * (gradient + decay * weights)
        torch.testing.assert_close(found, weights - rate * step)


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    [
        ({"kind": "adam"}, {}),
        ({"kind": "adamw"}, {"weight_decay": 0.01}),
        ({"kind": "sgd"}, {"learning_rate": 0.1}),
        ({"kind": "sgd", "nesterov": True, "momentum": 0.5}, {"learning_rate": 0.1}),
        ({"kind": "lars", "trust_coefficient": 0.02}, {"learning_rate": 0.3, "weight_decay": 1e-6}),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
def test_every_optimiser_lets_the_loss_fall(optimizer, changes, tmp_path):
    run = train(tmp_path, small_kind("mlp", optimizer=optimizer, batch_size=32, max_epochs=5, **changes))
    assert run.rows[-1]["val/cross_entropy"] < 0.9 * run.rows[0]["val/cross_entropy"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"kind": "adagrad"}}, r"kind: is 'adagrad'; allowed: 'adam', 'adamw', 'sgd', 'lars'"),
        ({"optimizer": {"kind": "sgd", "momentum": 1.0}}, r"optimizer\.momentum: is 1\.0 .*less than 1"),
        (
            {"optimizer": {"kind": "sgd", "momentum": 0.0, "nesterov": True}},
            r"optimizer\.nesterov: is true, which needs a momentum above 0",
        ),
        ({"optimizer": {"momentum": 0.5}}, r"optimizer\.momentum: unknown key"),
        (
            {"optimizer": {"kind": "lars"}},
            r"weight_decay is 0, with which optimizer\.kind=lars .*allowed: above 0",
        ),
        ({"optimizer": "sdg"}, r"optimizer\.kind: is 'sdg'; allowed: 'adam', 'adamw', 'sgd', 'lars'"),
        ({"optimizer": 3}, "optimizer: "),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        parsed(**changes)


def test_kinds_are_told_apart_in_a_config_on_a_command_line_and_in_a_grid():
    assert parsed().optimizer == Adam()
    assert parsed(optimizer={"kind": "sgd"}).optimizer == SGD(momentum=0.9)
    line = [("optimizer.kind", "lars"), ("optimizer.trust_coefficient", "1e-2"), ("weight_decay", "1e-5")]
    assert resolve(TrainingConfig, overrides=line).config.optimizer == LARS(trust_coefficient=0.01)
    grid = Grid(
        TrainingConfig,
        choice("optimizer.kind", ["adam", "sgd"]),
        choice("optimizer.momentum", [0.5, 0.9], when={"optimizer.kind": "sgd"}),
        choice("schedule", ["constant", "linear", "cosine"]),
    )
    points = [point.config for point in plan(TrainingConfig, grid.definition("optimizers", "stitching"))]
    assert len({point.config_id for point in points}) == len(points) == 9
    assert {point.schedule for point in points} == {"constant", "linear", "cosine"}


def test_the_configs_need_no_torch():
    for module in ("optimizers", "refine_config"):
        code = f"import framework.training.{module}, sys; assert not {{'torch', 'numpy'}} & set(sys.modules)"
        call([sys.executable, "-c", code], check=True)
