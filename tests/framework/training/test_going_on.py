"""Rows and times of every training, left and gone on with, and continued by extra_epochs: once each, in order."""

import itertools
import signal
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from experiments.multitask.config import MultitaskConfig
from experiments.multitask.manager import MultitaskManager
from experiments.tabular.config import TabularConfig
from experiments.tabular.manager import TabularManager
from framework.errors import Interrupted
from framework.ssl.training import module as views
from framework.ssl.training.pretraining import pretrain
from framework.tracking import leaving
from framework.training import train_model
from framework.training.callbacks import timing
from framework.training.config import TrainingConfig
from tests.framework.fakes import FakeRun, Shelf
from tests.framework.ssl.training.conftest import config_of

TASKS = {"num_train": {"task_0": 20, "task_1": 41}, "num_val": 16, "num_test": 16}
TABLE = {"kind": "mlp", "hidden": [8], "max_epochs": 3, "early_stopping": None}


def model(extra):
    given = {"model": {"kind": "mlp", "hidden": [8]}, "batch_size": 256, "max_epochs": 3, "device": "cpu"}
    return TrainingConfig.parse({**given, "extra_epochs": extra})


def encoder(extra):
    return config_of(max_epochs=3, extra_epochs=extra)


def tasks(extra):
    training = {"max_epochs": 3, "batch_size": 16, "learning_rate": 0.01, "extra_epochs": extra}
    network = {"kind": "abc_mlp", "width": 8, "depth": 3}
    few = {"log_every": 1, "figures_every": 0, "prediction_points": 0, "device": "cpu"}
    return MultitaskConfig.parse({"data": TASKS, "network": network, "training": training, **few})


def table(extra):
    return TabularConfig.parse({"data": {"name": "iris"}, "model": {**TABLE, "extra_epochs": extra}})


KINDS = {
    "model": (model, train_model, "model"),
    "encoder": (encoder, pretrain, "encoder"),
    "tasks": (tasks, MultitaskManager().run, "networks"),
    "table": (table, TabularManager().run, "model"),
}
"""How a training's config is made, what works it, and the folder of its files."""


class Leaver(FakeRun):
    """A signal comes when the row of an epoch is logged."""

    leaves_after = 0

    def log(self, metrics):
        super().log(metrics)
        if metrics["epoch"] == self.leaves_after:
            assert leaving.put_off(signal.SIGUSR2)


def left_once(folder, work, config, store, epoch):
    """The run that ends, of a training that was left after an epoch."""
    shelf = Shelf(folder / "shelf")
    first = Leaver(folder / "first", store, shelf)
    first.leaves_after = epoch
    with pytest.raises(Interrupted):
        work(config, first)
    first.progress.keep()
    first.progress.close(is_done=False)
    run = FakeRun(folder / "second", store, shelf)
    work(config, run)
    run.progress.close(is_done=True)
    return run


def timeless(rows):
    return [{name: value for name, value in row.items() if name != "time/epoch_s"} for row in rows]


@pytest.fixture
def ticks(monkeypatch):
    """A clock that goes on by a second each time somebody looks at it, so that times are counts."""
    seconds = itertools.count()
    for looks in (timing, views):
        monkeypatch.setattr(looks, "time", SimpleNamespace(perf_counter=lambda: float(next(seconds))))


@pytest.mark.usefixtures("ticks")
@pytest.mark.parametrize("kind", KINDS)
def test_one_table_of_rows_and_one_of_times_whatever_came_between(kind, tmp_path):
    config_with, work, folder = KINDS[kind]
    whole, left = [], []
    stores = {}, {}
    for extra, epoch in ((0, 2), (2, 4)):
        run = FakeRun(tmp_path / f"whole-{extra}", stores[0])
        work(config_with(extra), run)
        whole.append(run)
        left.append(left_once(tmp_path / f"left-{extra}", work, config_with(extra), stores[1], epoch))
    for one, other in zip(left, whole, strict=True):
        assert timeless(one.rows) == timeless(other.rows)
        times = one.tables["timing"].set_index("phase")["minutes"]
        expected = other.tables["timing"].set_index("phase")["minutes"]
        assert times.to_dict() == pytest.approx(expected.to_dict(), rel=1e-12)
        assert list(times.index[-1:]) == ["total"]
        for path in sorted((other.folder / folder).glob("*.safetensors")):
            found = load_file(one.folder / folder / path.name)
            assert all(torch.equal(found[name], tensor) for name, tensor in load_file(path).items()), path.name
    rows = [row for run in left for row in run.rows if "epoch" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    each = rows[0]["step"]
    assert [row["step"] for row in rows] == [each * number for number in range(1, 6)]


def test_the_peak_is_the_largest_of_all_attempts(tmp_path, monkeypatch):
    peaks = iter([700.0, 500.0, 400.0])
    monkeypatch.setattr(timing, "peak_memory_mb", lambda device: next(peaks))
    first = timing.Timing(FakeRun(tmp_path / "first"))
    kept = first.state_dict()
    second = timing.Timing(run := FakeRun(tmp_path / "second"))
    second.load_state_dict(kept)
    second.on_fit_end(None, None)
    assert run.tables["timing"].iloc[-1]["peak_memory_mb"] == run.summary["memory/peak_mb"] == 700


def test_members_share_the_time_and_take_it_along(tmp_path):
    from framework.multitask.callbacks.timing import TaskTiming
    from framework.multitask.training.states import BY_MEMBER

    together = TaskTiming([FakeRun(tmp_path / str(number)) for number in range(4)])
    together.seconds = dict.fromkeys(together.phases, 8.0)
    kept = together.state_dict()
    alone = TaskTiming([FakeRun(tmp_path / "alone")])
    alone.load_state_dict({BY_MEMBER: {name: part[2:3] for name, part in kept[BY_MEMBER].items()}})
    assert alone.seconds == dict.fromkeys(together.phases, 2.0)
    again = TaskTiming([FakeRun(tmp_path / f"again-{number}") for number in range(4)])
    again.load_state_dict(kept)
    assert again.seconds == together.seconds
    again.on_fit_end(None, None)
    minutes = [run.tables["timing"].set_index("phase").loc["total", "minutes"] for run in again._runs]
    assert sum(minutes) * 60 == pytest.approx(40)
    assert len(set(minutes)) == 1


def test_several_ranks_have_a_row_each(tmp_path):
    timing.log_timing(run := FakeRun(tmp_path), {"data": 30.0, "forward": 90.0}, [500.0, 300.0])
    found = run.tables["timing"]
    assert found["phase"].tolist() == ["data", "forward", "total", "rank_1"]
    assert found["minutes"].tolist()[:3] == [0.5, 1.5, 2.0]
    assert found["share"].tolist()[:3] == [0.25, 0.75, 1.0]
    assert found["peak_memory_mb"].tolist()[2:] == [500.0, 300.0]
