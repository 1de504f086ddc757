"""One run, and several at once: tables, summary, figures and the artifact."""

import pandas as pd
import pytest
import torch

from experiments.multitask.config import MultitaskConfig
from experiments.multitask.manager import MultitaskManager
from experiments.multitask.study import KIND
from framework.errors import ConfigError, TrainingDiverged
from framework.multitask.data.samples import samples_of
from framework.multitask.training.networks import load_networks
from framework.plan import plan
from tests.framework.fakes import FakeRun

DATA = {"num_train": {"task_0": 16, "task_1": 32}, "num_val": 20, "num_test": 20}
TRAINING = {"max_epochs": 3, "batch_size": 16, "learning_rate": 0.01}


def config(**changes) -> MultitaskConfig:
    network = {"kind": "abc_mlp", "width": 8, "depth": 3}
    given = {"data": DATA, "network": network, "training": TRAINING, "device": "cpu", "prediction_points": 8}
    return MultitaskConfig.parse({**given, **changes})


def run_of(tmp_path, own: MultitaskConfig, name: str = "run") -> FakeRun:
    run = FakeRun(tmp_path / name)
    MultitaskManager().run(own, run)
    return run


def test_everything_is_logged(tmp_path):
    own = config(coordinates=True)
    run = run_of(tmp_path, own)
    assert set(run.tables) == {"timing", "scores", "predictions", "coordinates"}
    assert len(run.tables["predictions"]) == 8 * 7
    assert set(run.figures) == {"val/task_0_output_0", *[f"val/task_1_output_{n}" for n in range(1, 7)]}
    assert set(run.summary) >= {"test/mse_task_0_inside", "test/r2_task_0_outside", "test/mse_task_1_inside"}
    assert "test/mse_task_1_outside" not in run.summary, "task_1 is trained everywhere"
    coordinates = run.tables["coordinates"]
    assert set(coordinates["width"]) == {8}
    assert sorted(coordinates["step"].unique()) == [0, 1, 2, 3, 4, 5]


def test_the_artifact_holds_the_networks_that_were_scored(tmp_path):
    own = config()
    run = run_of(tmp_path, own)
    folder = run.store[KIND, own.config_id]
    networks, samples = load_networks(own, folder), samples_of(own.data, own.seed)
    task = samples["task_0"]
    with torch.no_grad():
        error = (networks["task_0"](task.test.x)[:, 0] - task.test.y[:, 0]).square().mean()
    assert run.summary["test/mse_task_0_all"] == pytest.approx(float(error), rel=1e-5)
    assert len(list((folder / "figures").glob("*.pdf"))) == 7
    assert run.artifacts[KIND] == {key: value for key, value in run.summary.items() if key in run.artifacts[KIND]}


def test_a_task_alone_has_no_row_of_others(tmp_path):
    run = run_of(tmp_path, config(learn=["task_0"]))
    assert set(run.tables["scores"]["task"]) == {"task_0"}
    assert not any("task_1" in key for key in run.summary)


def test_nothing_is_drawn_that_was_not_asked_for(tmp_path):
    run = run_of(tmp_path, config(figures_every=0, prediction_points=0))
    assert run.figures == {}
    assert set(run.tables) == {"timing", "scores"}


def scores_in(run: FakeRun) -> dict[str, float]:
    return {name: value for name, value in run.summary.items() if not name.startswith(("time/", "memory/"))}


def test_several_points_are_as_each_alone(tmp_path):
    manager = MultitaskManager()
    configs = [config(seed=seed, training={**TRAINING, "learning_rate": 0.01 / (1 + seed)}) for seed in range(3)]
    assert len({manager.shape_of(own) for own in configs}) == 1
    runs = [FakeRun(tmp_path / f"together-{number}") for number in range(3)]
    assert list(manager.run_together(configs, runs)) == [None] * 3
    for number, own in enumerate(configs):
        alone = run_of(tmp_path, own, f"alone-{number}")
        assert scores_in(runs[number]) == pytest.approx(scores_in(alone), rel=1e-4)
        pd.testing.assert_frame_equal(
            runs[number].tables["predictions"], alone.tables["predictions"], rtol=1e-4, atol=1e-5
        )


def test_points_of_other_shapes_are_told_apart():
    manager = MultitaskManager()
    wider = config(network={"kind": "abc_mlp", "width": 9, "depth": 3})
    assert manager.shape_of(config()) != manager.shape_of(wider)
    assert manager.shape_of(config(training={**TRAINING, "balancing": "upgrad"})) is None
    assert manager.shape_of(config(training={**TRAINING, "batching": "stochastic"})) is None


def test_a_rate_that_diverges_fails_the_run(tmp_path):
    wild = {**TRAINING, "optimizer": "sgd", "learning_rate": 1e6, "max_epochs": 30}
    with pytest.raises(TrainingDiverged, match="at step"):
        run_of(tmp_path, config(training=wild))


def test_coordinates_are_those_of_the_fully_connected_network():
    with pytest.raises(ConfigError, match=r"coordinates: is true, and network.kind is stack"):
        config(network="stack", coordinates=True)


def test_batches_that_leave_out_a_sample_are_refused_before_anything_starts():
    batching = {"kind": "custom", "function": "tests.framework.multitask.training.test_batching:without_the_last"}
    own = config(training={**TRAINING, "batching": batching})
    with pytest.raises(ConfigError, match="never shows 1 of 16 samples of task_0"):
        MultitaskManager().check(own)


def test_every_sweep_has_valid_points():
    manager = MultitaskManager()
    counts = {}
    for name, grid in manager.grids.items():
        points = plan(manager.config, grid.definition(name, "multitask"))
        counts[name] = len(points)
        ids = {point.config.config_id for point in points}
        assert len(ids) == len(points), "no point twice"
    assert counts == {"multitask": 36, "multitask_scaling": 336, "multitask_extrapolation": 160}


def test_an_axis_of_one_architecture_repeats_no_point_of_another():
    from framework.grid import Grid, choice

    grid = Grid(
        MultitaskConfig,
        choice("network", ["abc_mlp", "stack"]),
        choice("network.bottleneck_width", [8, 16, 32], when={"network": "stack"}),
    )
    points = plan(MultitaskConfig, grid.definition("groups", "multitask"))
    assert [point.config.network.kind for point in points].count("abc_mlp") == 1
    assert len(points) == 4


def as_many_as_drawn(counts, batch_size, generator):
    """Each sample once, in another number of batches each epoch."""
    count = int(torch.randint(2, 7, (), generator=generator))
    return [
        {task: torch.arange(number, total, count) for task, total in counts.items()} for number in range(count)
    ]


def test_epochs_of_different_length_are_refused_before_a_sample_is_left_out(tmp_path):
    batching = {"kind": "custom", "function": f"{__name__}:as_many_as_drawn"}
    with pytest.raises(ConfigError, match=r"batches in the first epoch and \d in a later one"):
        run_of(tmp_path, config(training={**TRAINING, "max_epochs": 8, "batching": batching}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learn": ["task_0", "task_1"]}, "names every task"),
        ({"training": {**TRAINING, "momentum": 0.9}}, "adam does not read it"),
    ],
)
def test_what_would_be_the_same_training_under_another_name_is_refused(changes, words: str):
    with pytest.raises(ConfigError, match=words):
        config(**changes)


def test_samples_that_are_no_numbers_are_told_as_such(tmp_path):
    with pytest.raises(ConfigError, match="data: gives task_0 samples that are infinite"):
        run_of(tmp_path, config(data={**DATA, "noise": 1e39}))


@pytest.mark.parametrize("kind", ["nash_mtl", "cagrad", "pcgrad", "upgrad"])
def test_a_balanced_training_that_diverges_names_its_step(kind: str, tmp_path):
    training = {**TRAINING, "optimizer": "sgd", "learning_rate": 1e30, "balancing": {"kind": kind}}
    with pytest.raises(TrainingDiverged, match=r"loss of task_0 at step \d"):
        run_of(tmp_path, config(training=training))
