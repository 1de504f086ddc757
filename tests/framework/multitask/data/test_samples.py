"""Where samples lie, what noise they have, and what they depend on."""

import math

import pytest
import torch

from framework.errors import ConfigError
from framework.multitask.data.config import FunctionData
from framework.multitask.data.functions import evaluate
from framework.multitask.data.points import PLACES, equidistant, middles
from framework.multitask.data.samples import samples_of

MANY = 20_000
ONE = {"tasks": ["one"], "outputs": [0], "num_train": 8, "high": 1.0}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_points_lie_within_their_interval(name: str, count: int):
    x = PLACES[name](count, -2.0, 0.5, generator())
    assert x.shape == (count,)
    assert bool(((x >= -2) & (x <= 0.5)).all())


def test_equidistant_points_have_both_ends_and_middles_have_neither():
    assert equidistant(5, -2, 2, generator()).tolist() == [-2, -1, 0, 1, 2]
    assert middles(4, -2, 2).tolist() == [-1.5, -0.5, 0.5, 1.5]


def test_uniform_points_have_the_moments_of_their_distribution():
    x = PLACES["uniform"](MANY, -2.0, 0.0, generator())
    assert float(x.mean()) == pytest.approx(-1, abs=0.02)
    assert float(x.var()) == pytest.approx(4 / 12, rel=0.03)


def test_noise_is_normal_around_the_middle_where_the_interval_is_wide():
    x = PLACES["noise"](MANY, -6.0, 14.0, generator())
    assert float(x.mean()) == pytest.approx(4, abs=0.03)
    assert float(x.std()) == pytest.approx(1, rel=0.02)


def test_noise_is_wrapped_where_it_is_narrow():
    x = PLACES["noise"](MANY, -0.1, 0.1, generator())
    assert float(x.std()) == pytest.approx(0.2 / math.sqrt(12), rel=0.03), "as good as uniform"


def test_periodic_points_are_denser_at_turning_points():
    x = PLACES["periodic"](MANY, -1.0, 1.0, generator())
    assert float(x.min()) == pytest.approx(-1, abs=1e-6)
    assert float(x.max()) == pytest.approx(1, abs=1e-6)
    ends = ((x.abs() > 0.9).double().mean()).item()
    assert ends > 2 * 0.1, "more than twice of what a uniform draw has there"


def test_noise_is_on_train_alone_with_the_deviation_that_is_asked_for():
    config = FunctionData.parse({"num_train": MANY, "noise": {"task_0": 0.2, "task_1": 0.0}})
    tasks = samples_of(config, 0)
    for split in ("val", "test"):
        part = getattr(tasks["task_0"], split)
        assert torch.allclose(part.y, evaluate("composite_sine", part.x[:, 0].double()).float(), atol=2e-4)
    train = tasks["task_0"].train
    noise = train.y - evaluate("composite_sine", equidistant(MANY, -2, 0, generator())).float()
    assert float(noise.std()) == pytest.approx(0.2, rel=0.01)
    quiet = tasks["task_1"].train
    assert torch.equal(quiet.y, evaluate("composite_sine", equidistant(MANY, -2, 2, generator())).float())


def test_defaults_are_those_of_the_question():
    tasks = samples_of(FunctionData(), 0)
    assert [len(task.train) for task in tasks.values()] == [256, 512]
    assert [task.outputs for task in tasks.values()] == [(0,), (1, 2, 3, 4, 5, 6)]
    assert [(float(task.train.x.min()), float(task.train.x.max())) for task in tasks.values()] == [
        (-2, 0),
        (-2, 2),
    ]
    assert all((float(task.val.x.min()), float(task.val.x.max())) == (-2, 2) for task in tasks.values())
    assert int(tasks["task_0"].is_inside(tasks["task_0"].test.x).sum()) == 1024


def test_splits_of_the_defaults_share_no_point_but_the_ends():
    task = samples_of(FunctionData(), 0)["task_1"]
    known = {split: set(getattr(task, split).x[:, 0].tolist()) for split in ("train", "val", "test")}
    assert not known["val"] & known["test"]
    assert not known["train"] & known["test"]
    assert known["train"] & known["val"] == {-2.0, 2.0}


def test_a_task_draws_the_same_whatever_stands_beside_it():
    both = samples_of(FunctionData.parse({"generator": "uniform"}), 3)
    other = samples_of(FunctionData.parse({"generator": "uniform", "num_train": {"task_0": 9, "task_1": 512}}), 3)
    assert torch.equal(both["task_1"].train.x, other["task_1"].train.x)
    assert torch.equal(both["task_1"].train.y, other["task_1"].train.y)
    assert not torch.equal(both["task_0"].train.x[:256], both["task_1"].train.x[:256])


def test_the_seed_of_the_data_comes_before_that_of_the_training():
    own = FunctionData(seed=5)
    assert torch.equal(samples_of(own, 0)["task_0"].train.y, samples_of(own, 1)["task_0"].train.y)
    assert torch.equal(samples_of(own, 0)["task_0"].train.y, samples_of(FunctionData(), 5)["task_0"].train.y)
    assert not torch.equal(samples_of(FunctionData(), 0)["task_0"].train.y, samples_of(own, 0)["task_0"].train.y)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outputs": {"task_0": [0, 1], "task_1": [1, 2]}}, "gives output 1 to task_0 and to task_1"),
        (
            {"outputs": {"task_0": [7], "task_1": [1]}},
            "names 7 for task_0, and composite_sine has the outp",
        ),
        ({"outputs": {"task_0": [], "task_1": [1]}}, "allowed: one or more, each once"),
        ({**ONE, "function": "sine", "outputs": [0, 0]}, "allowed: one or more, each once"),
        ({"tasks": ["task_0", "task_0"]}, "allowed: each name once"),
        ({"high": -3.0}, "above low"),
        ({**ONE, "function": "pole_sine"}, "has a pole at x = 1.2"),
        ({"tasks": ["one", "two"]}, "num_train: has nothing for one, two and names task_0"),
        ({"evaluation_high": -3.0}, "above evaluation_low"),
    ],
)
def test_bad_input(change: dict[str, object], told: str):
    with pytest.raises(ConfigError, match=told):
        FunctionData.parse(change)


def test_tasks_have_any_names():
    config = FunctionData.parse(
        {"function": "kink_absolute_sine", "tasks": ["kink", "waves"], "outputs": {"kink": [0], "waves": [2]},
         "num_train": 8, "high": 1.0}
    )  # fmt: skip
    assert list(samples_of(config, 0)) == ["kink", "waves"]
