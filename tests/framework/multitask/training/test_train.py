"""Training of one config and of several at once: each as if it were alone, and going on where it was left."""

import math
import signal

import pytest
import torch
from pytorch_lightning import Callback

from framework.errors import Interrupted, TrainingDiverged
from framework.multitask.callbacks.networks import FOLDER
from framework.multitask.config import APART, TasksConfig, may_be_together
from framework.multitask.data.samples import samples_of
from framework.multitask.training.networks import load_networks
from framework.multitask.training.train import network_of, train_tasks
from framework.tracking import leaving
from tests.framework.fakes import FakeRun, Shelf

DATA = {"num_train": {"task_0": 20, "task_1": 41}, "num_val": 16, "num_test": 16}
NETWORK = {"kind": "abc_mlp", "width": 12, "depth": 3, "parametrisation": "standard"}


def config(*, seed: int = 0, data=None, sharing: str = "shared", learn=None, **training) -> TasksConfig:
    return TasksConfig.parse(
        {
            "data": {**DATA, **(data or {})}, "network": NETWORK, "seed": seed, "sharing": sharing, "learn": learn,
            "training": {"max_epochs": 6, "batch_size": 16, "learning_rate": 0.01, **training}, "log_every": 2,
            "device": "cpu",
        }
    )  # fmt: skip


def trained(tmp_path, name: str, *configs: TasksConfig):
    runs = [FakeRun(tmp_path / f"{name}-{number}") for number in range(len(configs))]
    assert train_tasks(configs, runs) == [None] * len(configs)
    return runs


def weights(run: FakeRun, of: TasksConfig, task: str = "task_0") -> dict[str, torch.Tensor]:
    return dict(load_networks(of, run.folder / FOLDER)[task].state_dict())


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_losses_fall_and_are_logged(tmp_path):
    (run,) = trained(tmp_path, "one", config(max_epochs=30))
    assert [row["epoch"] for row in run.rows] == [1, *range(2, 31, 2)]
    assert run.rows[-1]["step"] == 30 * 4
    for split in ("train", "val"):
        for task in ("task_0", "task_1"):
            assert run.rows[-1][f"{split}/loss_{task}"] < run.rows[0][f"{split}/loss_{task}"]
    assert all(-1 <= row["train/gradient_cosine"] <= 1 for row in run.rows)
    assert run.rows[-1]["learning_rate"] == pytest.approx(0.01)


def test_one_network_a_task_is_one_run_a_task(tmp_path):
    both = config(sharing="per_task", learning_rate={"task_0": 0.01, "task_1": 0.003})
    (run,) = trained(tmp_path, "both", both)
    for task in ("task_0", "task_1"):
        alone = config(learn=[task], learning_rate={"task_0": 0.01, "task_1": 0.003})
        (other,) = trained(tmp_path, task, alone)
        assert distance(weights(run, both, task), weights(other, alone, task)) == 0, "exactly"
        assert other.rows[-1][f"val/loss_{task}"] == run.rows[-1][f"val/loss_{task}"]
    assert (
        load_networks(both, run.folder / FOLDER)["task_0"]
        is not load_networks(both, run.folder / FOLDER)["task_1"]
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_members_are_trained_as_if_alone(tmp_path, optimizer: str):
    rates = {"sgd": 0.001, "adam": 0.01, "adamw": 0.01}
    configs = [
        config(
            seed=seed, optimizer=optimizer, learning_rate=rates[optimizer] * factor, weight_decay=0.01 * seed,
            penalty=0.001 * seed, schedule="cosine", momentum=0.5 if optimizer == "sgd" else 0.0,
            data={"noise": 0.1 * seed},
        )
        for seed, factor in ((0, 1.0), (1, 0.5), (2, 2.0))
    ]  # fmt: skip
    runs = trained(tmp_path, "together", *configs)
    for number, own in enumerate(configs):
        (alone,) = trained(tmp_path, f"alone{number}", own)
        assert distance(weights(runs[number], own), weights(alone, own)) < 1e-5
        for row, other in zip(runs[number].rows, alone.rows, strict=True):
            assert row == pytest.approx(other, rel=1e-4, abs=1e-5)


def test_members_with_a_network_each_are_trained_as_if_alone(tmp_path):
    configs = [config(seed=seed, sharing="per_task") for seed in (3, 4)]
    runs = trained(tmp_path, "together", *configs)
    (alone,) = trained(tmp_path, "alone", configs[1])
    for task in ("task_0", "task_1"):
        assert distance(weights(runs[1], configs[1], task), weights(alone, configs[1], task)) < 1e-5


def test_equal_configs_give_equal_bits(tmp_path):
    first, second = (trained(tmp_path, name, config())[0] for name in ("first", "second"))
    assert distance(weights(first, config()), weights(second, config())) == 0
    assert first.rows == second.rows


def test_a_shared_network_steps_on_both_gradients_each_at_its_rate(tmp_path):
    rates = {"task_0": 0.002, "task_1": 0.0005}
    data = {"num_train": {"task_0": 8, "task_1": 8}}
    own = config(data=data, optimizer="sgd", learning_rate=rates, batch_size=16, max_epochs=1)
    (run,) = trained(tmp_path, "one", own)
    network = network_of(own, "task_0")
    samples = samples_of(own.data, own.seed)
    loss = sum(
        rate
        * (network(samples[task].train.x) - samples[task].train.y)[:, list(samples[task].outputs)].square().sum()
        for task, rate in rates.items()
    )
    loss.backward()
    expected = {name: (weight - weight.grad).detach() for name, weight in network.named_parameters()}
    assert distance(weights(run, own), expected) < 1e-6


@pytest.mark.parametrize("kind", ["uncertainty", "famo", "pcgrad", "cagrad", "upgrad", "nash_mtl"])
def test_every_balancing_learns(tmp_path, kind: str):
    (run,) = trained(tmp_path, kind, config(balancing=kind, max_epochs=8))
    total = [row["train/loss_task_0"] + row["train/loss_task_1"] for row in run.rows]
    assert total[-1] < total[0]


def test_the_balanced_step_without_conflict_is_the_plain_one(tmp_path):
    plain, balanced = (
        config(balancing=kind, optimizer="sgd", learning_rate=1e-4, max_epochs=1) for kind in ("sum", "pcgrad")
    )
    one, other = trained(tmp_path, "plain", plain)[0], trained(tmp_path, "balanced", balanced)[0]
    assert distance(weights(one, plain), weights(other, balanced)) < 1e-2


@pytest.mark.parametrize("batching", ["stochastic", {"kind": "custom", "function": f"{__name__}:in_two"}])
def test_other_batches(tmp_path, batching):
    own = config(batching=batching)
    assert not may_be_together(own)
    (run,) = trained(tmp_path, "one", own)
    assert run.rows[-1]["step"] == (24 if batching == "stochastic" else 12)


def in_two(counts, batch_size, generator):
    """An epoch of two batches, of even and of odd positions."""
    return [{task: range(begin, count, 2) for task, count in counts.items()} for begin in (0, 1)]


def test_a_diverging_rate_is_told_with_its_step(tmp_path):
    (error,) = train_tasks(
        [config(optimizer="sgd", learning_rate=1e6, max_epochs=20)], [FakeRun(tmp_path / "one")]
    )
    assert isinstance(error, TrainingDiverged)
    assert "loss of task_" in str(error)
    assert "at step" in str(error)
    assert "at learning rate 1e+06" in str(error)


def test_a_member_that_diverges_is_lost_alone(tmp_path):
    configs = [
        config(seed=seed, optimizer="sgd", learning_rate=rate) for seed, rate in ((0, 0.001), (1, 1e6), (2, 0.001))
    ]
    runs = [FakeRun(tmp_path / str(number)) for number in range(3)]
    found = train_tasks(configs, runs)
    assert [isinstance(error, TrainingDiverged) for error in found] == [False, True, False]
    (alone,) = trained(tmp_path, "alone", configs[2])
    assert distance(weights(runs[2], configs[2]), weights(alone, configs[2])) < 1e-5
    assert math.isfinite(runs[0].rows[-1]["val/loss_task_0"])
    assert all(math.isfinite(value) for row in runs[1].rows for value in row.values()), "as alone, it says no more"


class LeaveAfter(Callback):
    """Asks to leave after so many batches, as a cluster would."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_train_batch_end(self, *_) -> None:
        self.left -= 1
        if not self.left:
            leaving.put_off(signal.SIGUSR2)


def left_and_gone_on(tmp_path, configs, batches: int):
    """Runs that were interrupted after so many batches and gone on with by others, all at once."""
    shelves = [Shelf(tmp_path / f"shelf-{number}") for number in range(len(configs))]
    first = [FakeRun(tmp_path / f"first-{number}", shelf=shelf) for number, shelf in enumerate(shelves)]
    with pytest.raises(Interrupted):
        train_tasks(configs, first, lambda runs, samples: [LeaveAfter(batches)])
    for run in first:
        assert run.progress.keep()
    second = [FakeRun(tmp_path / f"second-{number}", shelf=shelf) for number, shelf in enumerate(shelves)]
    assert train_tasks(configs, second) == [None] * len(configs)
    return second


@pytest.mark.parametrize("batches", [1, 6, 8, 13])
@pytest.mark.parametrize("balancing", ["sum", "famo", "uncertainty", "pcgrad"])
def test_a_training_goes_on_bit_for_bit(tmp_path, batches: int, balancing: str):
    own = config(balancing=balancing)
    (whole,) = trained(tmp_path, "whole", own)
    (run,) = left_and_gone_on(tmp_path, [own], batches)
    assert distance(weights(whole, own), weights(run, own)) == 0
    assert run.rows == whole.rows


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_members_go_on_together(tmp_path, optimizer: str):
    configs = [config(seed=seed, optimizer=optimizer, learning_rate=0.001, momentum=0.0) for seed in range(3)]
    whole = trained(tmp_path, "whole", *configs)
    for number, run in enumerate(left_and_gone_on(tmp_path, configs, 7)):
        assert distance(weights(whole[number], configs[number]), weights(run, configs[number])) == 0
        assert run.rows == whole[number].rows


def test_a_member_goes_on_alone(tmp_path):
    configs = [config(seed=seed) for seed in range(3)]
    shelves = [Shelf(tmp_path / f"shelf-{number}") for number in range(3)]
    first = [FakeRun(tmp_path / f"first-{number}", shelf=shelf) for number, shelf in enumerate(shelves)]
    with pytest.raises(Interrupted):
        train_tasks(configs, first, lambda runs, samples: [LeaveAfter(9)])
    first[1].progress.keep()
    run = FakeRun(tmp_path / "second", shelf=shelves[1])
    assert train_tasks([configs[1]], [run]) == [None]
    (whole,) = trained(tmp_path, "whole", configs[1])
    assert distance(weights(whole, configs[1]), weights(run, configs[1])) < 1e-5
    assert [row["epoch"] for row in run.rows] == [row["epoch"] for row in whole.rows]


def test_members_that_are_not_equally_far_go_on_one_after_the_other(tmp_path):
    configs = [config(seed=seed) for seed in range(2)]
    shelves = [Shelf(tmp_path / f"shelf-{number}") for number in range(2)]
    for number, batches in enumerate((3, 9)):
        run = FakeRun(tmp_path / f"first-{number}", shelf=shelves[number])
        with pytest.raises(Interrupted):
            train_tasks([configs[number]], [run], lambda runs, samples, b=batches: [LeaveAfter(b)])
        run.progress.keep()
    runs = [FakeRun(tmp_path / f"second-{number}", shelf=shelves[number]) for number in range(2)]
    assert train_tasks(configs, runs) == [None, None]
    for number, own in enumerate(configs):
        (whole,) = trained(tmp_path, f"whole{number}", own)
        assert distance(weights(whole, own), weights(runs[number], own)) == 0


def test_what_may_differ_is_named():
    assert {"seed", "training.learning_rate"} <= APART
    assert not may_be_together(config(balancing="pcgrad"))
    assert may_be_together(config())
