"""Networks over tables: least squares, files, early stopping, and going on where they were left."""

import json
import signal

import numpy as np
import pytest
import torch

from framework.data.tabular import TableConfig, load_table
from framework.errors import ArtifactError, Interrupted, TrainingDiverged
from framework.tabular.config import MLP, Linear
from framework.tabular.network import load_network
from framework.tabular.training import train_network
from framework.tracking import leaving
from tests.framework.fakes import FakeRun, Shelf

QUICK = MLP(hidden=(8,), max_epochs=6, early_stopping=None)


@pytest.fixture(scope="module")
def diabetes():
    return load_table(TableConfig(name="diabetes"), 0)


@pytest.fixture(scope="module")
def iris():
    return load_table(TableConfig(name="iris"), 0)


def test_the_linear_model_comes_to_least_squares(tmp_path, diabetes):
    few = diabetes.train.x[:, [2, 3, 8]]
    parts = {
        name: part.__class__(part.x[:, [2, 3, 8]], part.y, part.rows) for name, part in diabetes.parts.items()
    }
    data = diabetes.__class__(**{**vars(diabetes), "features": ("bmi", "bp", "s5"), **parts})
    config = Linear(batch_size=1000, learning_rate=0.05, max_epochs=400, early_stopping=None)
    train_network(config, data, 0, run := FakeRun(tmp_path), "cpu")
    network = load_network(run.folder / "model", config, "last")
    design = np.column_stack([few, np.ones(len(few))])
    weights, *_ = np.linalg.lstsq(design, data.train.y, rcond=None)
    expected = np.column_stack([data.test.x, np.ones(len(data.test))]) @ weights
    assert np.allclose(network.predict(data.test.x), expected, atol=0.01)
    assert run.rows[-1]["train/mse"] == pytest.approx(
        np.square(design @ weights - data.train.y).mean() / data.train.y.var(), rel=1e-4
    )


def test_one_row_an_epoch_and_the_best_weights_are_those_of_val(tmp_path, iris):
    run = FakeRun(tmp_path)
    network, epoch = train_network(QUICK, iris, 0, run, "cpu")
    assert [row["epoch"] for row in run.rows] == list(range(1, 7))
    losses = [row["val/cross_entropy"] for row in run.rows]
    assert epoch == int(np.argmin(losses)) + 1
    said = network.predict(iris.val.x)
    own = -np.log(said[np.arange(len(iris.val)), iris.val.y]).mean()
    assert own == pytest.approx(min(losses), rel=1e-5)
    assert "timing" in run.tables


def test_training_stops_where_val_gets_no_better(tmp_path, iris):
    run = FakeRun(tmp_path)
    config = MLP(hidden=(32,), learning_rate=0.1, max_epochs=200, early_stopping=3)
    _, epoch = train_network(config, iris, 0, run, "cpu")
    assert len(run.rows) == epoch + 3 < 200


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_equal_seeds_give_equal_bits(tmp_path, iris, dropout):
    config = QUICK.model_copy(update={"dropout": dropout})
    runs = [FakeRun(tmp_path / str(number)) for number in range(3)]
    said = [
        train_network(config, iris, seed, run, "cpu")[0].predict(iris.test.x)
        for seed, run in zip((1, 1, 2), runs, strict=True)
    ]
    timeless = [[{k: v for k, v in row.items() if not k.startswith("time/")} for row in run.rows] for run in runs]
    assert timeless[0] == timeless[1] != timeless[2]
    assert np.array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def test_the_files_tell_what_they_are(tmp_path, iris):
    network, _ = train_network(QUICK, iris, 0, run := FakeRun(tmp_path), "cpu")
    folder = run.folder / "model"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("best.safetensors", "initial.safetensors", "last.safetensors", "model.json", "optimizer.safetensors")
    ]
    told = json.loads((folder / "model.json").read_text())
    assert told["classes"] == ["setosa", "versicolor", "virginica"]
    assert told["features"] == list(iris.features)
    assert told["table"] == {"name": "iris", "sha256": iris.digest}
    assert np.array_equal(load_network(folder, QUICK).predict(iris.test.x), network.predict(iris.test.x))
    with pytest.raises(ArtifactError, match="not"):
        load_network(folder, QUICK.model_copy(update={"hidden": (9,)}))
    with pytest.raises(ArtifactError, match=r"epoch_0001\.safetensors"):
        load_network(folder, QUICK, "epoch_0001")


def test_predictions_are_in_the_unit_of_the_target_and_leave_the_mode_alone(tmp_path, diabetes):
    network, _ = train_network(QUICK, diabetes, 0, FakeRun(tmp_path), "cpu")
    network.train()
    found = network.predict(diabetes.test.x)
    assert network.training
    network.eval()
    with torch.no_grad():
        raw = network(torch.from_numpy(diabetes.test.x).float()).double().numpy()
    assert np.allclose(found, raw * diabetes.train.y.std() + diabetes.train.y.mean(), rtol=1e-5)


def test_a_rate_that_is_too_large_is_told(tmp_path, diabetes):
    config = Linear(learning_rate=1e6, optimizer="sgd")
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        train_network(config, diabetes, 0, FakeRun(tmp_path), "cpu")


class Leaver(FakeRun):
    """A signal comes when the row of an epoch is logged."""

    def __init__(self, folder, shelf, epoch):
        super().__init__(folder, shelf=shelf)
        self.epoch = epoch

    def log(self, metrics):
        super().log(metrics)
        if metrics["epoch"] == self.epoch:
            assert leaving.put_off(signal.SIGUSR2)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_a_training_that_was_left_goes_on_to_the_same_bits(tmp_path, request, name):
    data = request.getfixturevalue(name)
    config = MLP(hidden=(8,), dropout=0.2, max_epochs=12, early_stopping=4)
    whole = FakeRun(tmp_path / "whole")
    expected, best = train_network(config, data, 3, whole, "cpu")
    shelf = Shelf(tmp_path / "shelf")
    for epoch in (2, 5):
        run = Leaver(tmp_path / f"left-{epoch}", shelf, epoch)
        with pytest.raises(Interrupted):
            train_network(config, data, 3, run, "cpu")
        run.progress.keep()
        run.progress.close(is_done=False)
    last = FakeRun(tmp_path / "last", shelf=shelf)
    found, epoch = train_network(config, data, 3, last, "cpu")
    rows = [[{k: v for k, v in row.items() if k != "time/epoch_s"} for row in run.rows] for run in (last, whole)]
    assert rows[0] == rows[1]
    assert epoch == best
    assert np.array_equal(found.predict(data.test.x), expected.predict(data.test.x))
