"""An encoder from its config to its artifact: what is in it, what chose it, where it began, what stops it."""

import dataclasses
import json

import pytest
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file

from framework.data.vision import load_splits
from framework.errors import ArtifactError, ConfigError, TrainingDiverged
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation.features import features_of
from framework.ssl.evaluation.knn import knn_scores
from framework.ssl.training import load_encoder, pretraining
from framework.ssl.training.config import EncoderConfig
from tests.framework.ssl.training.conftest import config_of, trained


def weights(run, name="last"):
    return load_file(run.folder / "encoder" / f"{name}.safetensors")


def assert_equal(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def rows(run):
    return [{name: value for name, value in row.items() if not name.startswith("time/")} for row in run.rows]


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_loss_of_every_method_falls(kind, tmp_path):
    run = trained(tmp_path / "run", config_of(kind, max_epochs=4, diagnostics_every=None, learning_rate=0.1))
    losses = [row["train/ssl_loss"] for row in run.rows]
    # MoCo's bank is random at first, and told apart with ease.
    assert losses[-1] < losses[0] if kind != "moco" else losses[-1] < max(losses)


def test_the_artifact(encoder):
    run, config = encoder
    folder = run.store["encoder", config.config_id]
    names = {path.name for path in folder.iterdir()}
    checkpoints = {"initial", "best", "last", "epoch_0002", "optimizer"}
    assert names == {"encoder.json", *(f"{name}.safetensors" for name in checkpoints)}
    description = json.loads((folder / "encoder.json").read_text())
    assert description["image_shape"] == [1, 8, 8]
    assert description["num_features"] == 16
    train = load_splits(config.data).train
    assert (description["train_images"], description["train_digest"]) == (len(train), train.digest)
    assert run.summary["train_digest"] == train.digest
    assert run.summary["distortions_place"] == "device"
    assert run.artifacts["encoder"]["best_epoch"] in (1, 2, 3)
    assert set(run.tables["timing"]["phase"]) >= {"data", "transform", "forward", "backward", "evaluation"}
    assert (run.tables["timing"]["minutes"] >= 0).all()
    assert list(run.tables["diagnostics"]["epoch"]) == [1, 2, 3]


def test_an_encoder_comes_back(encoder):
    run, config = encoder
    folder = run.store["encoder", config.config_id]
    for which in ("initial", "best", "last", "epoch_0002"):
        method = load_encoder(folder, config, which)
        assert not method.training
        expected = load_file(folder / f"{which}.safetensors")
        assert all(torch.equal(method.state_dict()[name], value) for name, value in expected.items())
    with pytest.raises(
        ArtifactError, match="holds no checkpoint 'first'; there are: best, epoch_0002, initial, last"
    ):
        load_encoder(folder, config, "first")
    with pytest.raises(ArtifactError, match="holds the backbone"):
        load_encoder(folder, EncoderConfig.parse({"method": config.method.model_dump()}))
    with pytest.raises(ArtifactError, match="no artifact of an encoder"):
        load_encoder(folder.parent, config)


def test_neighbours_choose_the_best_weights(encoder):
    """The logged accuracy is that of another way to the same features."""
    run, config = encoder
    found = [row["knn/val_accuracy"] for row in run.rows]
    assert run.summary["best_epoch"] == 1 + found.index(max(found))
    splits, method = load_splits(config.data), load_encoder(run.folder / "encoder", config)
    bank, queries = (features_of(method, part.images) for part in (splits.train, splits.val))
    scores = knn_scores(queries, bank, splits.train.labels, 10, k=config.neighbours)
    accuracy = (scores.argmax(1) == splits.val.labels).double().mean()
    assert max(found) == pytest.approx(float(accuracy))
    assert max(found) == run.summary["knn/val_accuracy_best"]


def test_equal_configs_give_equal_encoders(encoder, tmp_path):
    run, config = encoder
    again = trained(tmp_path / "again", config)
    assert rows(run) == rows(again)
    assert_equal(weights(run), weights(again))
    other = trained(tmp_path / "other", config.model_copy(update={"seed": 1}))
    assert rows(run) != rows(other)


def test_neither_probe_nor_diagnosis_touches_the_encoder(encoder, tmp_path):
    run, config = encoder
    alone = trained(tmp_path / "alone", config.model_copy(update={"probe": False, "diagnostics_every": None}))
    assert_equal(weights(run), weights(alone))
    assert "probe/val_accuracy" in run.rows[0]
    assert "probe/val_accuracy" not in alone.rows[0]
    assert "diagnostics" not in alone.tables


def test_workers_make_the_same_encoder(encoder, tmp_path):
    run, config = encoder
    distortions = config.distortions.model_copy(update={"place": "workers"})
    beside = config.model_copy(update={"num_workers": 1, "distortions": distortions})
    assert beside.config_id == config.config_id
    there = trained(tmp_path / "there", beside)
    assert there.summary["distortions_place"] == "workers"
    assert_equal(weights(run), weights(there))


def test_the_place_is_tried_and_changes_nothing(encoder, tmp_path):
    run, config = encoder
    tried = trained(tmp_path / "tried", config.model_copy(update={"num_workers": 1}))
    assert "a step took" in tried.summary["distortions_reason"]
    assert_equal(weights(run), weights(tried))


def test_workers_without_workers(tmp_path):
    with pytest.raises(ConfigError, match=r"num_workers: is 0, and distortions\.place is workers"):
        trained(tmp_path / "run", config_of(distortions={"place": "workers"}))


def test_the_test_split_is_not_looked_at(tmp_path, monkeypatch):
    real = pretraining.load_pixels

    def without_test(config):
        return dataclasses.replace(real(config), test=None)

    monkeypatch.setattr(pretraining, "load_pixels", without_test)
    trained(tmp_path / "run", config_of(max_epochs=1))


def test_normalised_images_are_normalised_once(tmp_path):
    config = config_of(max_epochs=1, data={"train_fraction": 0.25, "normalise": "standard"})
    run = trained(tmp_path / "run", config)
    splits, method = load_splits(config.data), load_encoder(run.folder / "encoder", config)
    bank, queries = (features_of(method, part.images) for part in (splits.train, splits.val))
    scores = knn_scores(queries, bank, splits.train.labels, 10, k=config.neighbours)
    accuracy = (scores.argmax(1) == splits.val.labels).double().mean()
    assert run.rows[0]["knn/val_accuracy"] == pytest.approx(float(accuracy))


# --- where it begins ---------------------------------------------------------------------------------------------


def test_more_epochs_go_on_from_the_last_weights_and_the_optimiser(encoder, tmp_path):
    run, config = encoder
    more = config.model_copy(update={"extra_epochs": 1})
    seen = {}

    class Looks(Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            if batch_idx == 0:
                state = trainer.optimizers[0].state_dict()["state"]
                seen["momentum"] = state[0]["momentum_buffer"].clone()
                seen["step"] = module._step(0)

    finished = trained(tmp_path / "more", more, run.store, [Looks()])
    assert_equal(weights(finished, "initial"), weights(run))
    kept = load_file(run.folder / "encoder" / "optimizer.safetensors")
    assert torch.equal(seen["momentum"], kept["0.momentum_buffer"])
    assert seen["step"] == 3 * 5, "the views are others than those of the epochs before"
    assert [(row["epoch"], row["step"]) for row in finished.rows] == [(4, 20)]
    assert [row["epoch"] for row in run.rows] == [1, 2, 3]


def test_added_epochs_have_a_schedule_of_their_own(tmp_path):
    config = config_of(max_epochs=1, schedule="linear", learning_rate=0.04, rate_per=64)
    run = trained(tmp_path / "run", config)
    more = trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 4}), run.store)
    assert [row["learning_rate"] for row in more.rows] == pytest.approx([0.04, 0.03, 0.02, 0.01])


def test_what_a_method_schedules_begins_anew_too(tmp_path):
    config = config_of("byol", max_epochs=2)
    run = trained(tmp_path / "run", config)
    steps = []

    class Looks(Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            steps.append(module._steps())

    trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 1}), run.store, [Looks()])
    assert steps == [(number, 5) for number in range(5)]


def test_best_and_last_alone(tmp_path):
    config = config_of(max_epochs=1, checkpoint_every=1, checkpoints_kept="best_and_last")
    run = trained(tmp_path / "run", config)
    there = {path.stem for path in run.store["encoder", config.config_id].glob("*.safetensors")}
    assert there == {"best", "last", "optimizer"}


@pytest.mark.parametrize("kind", ["adamw", "lars"])
def test_every_optimiser_goes_on(kind, tmp_path):
    config = config_of(optimizer=kind, max_epochs=1, learning_rate=0.01)
    run = trained(tmp_path / "run", config)
    trained(tmp_path / "more", config.model_copy(update={"extra_epochs": 1}), run.store)


@pytest.mark.parametrize("parts", ["backbone", "all"])
def test_weights_of_another_encoder(encoder, parts, tmp_path):
    run, config = encoder
    start = {"kind": "from_other", "encoder": config.model_dump(exclude={"start"}), "parts": parts}
    changes = {"seed": 5, "max_epochs": 1} | ({"kind": "byol"} if parts == "backbone" else {})
    begun = trained(tmp_path / "begun", config_of(start=start, **changes), run.store)
    first, last = weights(begun, "initial"), weights(run)
    backbone = [name for name in last if name.startswith("backbone.")]
    assert all(torch.equal(first[name], last[name]) for name in backbone)
    if parts == "all":
        assert_equal(first, last)
    else:
        assert all(torch.equal(first[f"target_{name}"], last[name]) for name in backbone)


# --- what stops it -----------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    class Breaks(Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            if trainer.global_step == 7:
                torch.nn.init.constant_(next(module.parameters()), float("nan"))

    with pytest.raises(TrainingDiverged, match=r"nan loss at step 7 \(epoch 2\)"):
        trained(tmp_path / "run", config_of(), callbacks=[Breaks()])


COLLAPSES = {"kind": "simsiam", "stop_gradient": False, "predictor": None, "projection": {"kind": "linear"}}


def test_a_collapse_is_told_and_ends_the_run_where_it_is_to(tmp_path, capsys):
    given = {"method": COLLAPSES, "max_epochs": 4, "learning_rate": 0.5, "schedule": "constant"}
    run = trained(tmp_path / "told", config_of(**given))
    epoch = run.summary["collapsed_epoch"]
    assert run.rows[epoch - 1]["collapse/spread"] < 0.1
    assert capsys.readouterr().err.count("warning: the projections have collapsed") == 1
    with pytest.raises(
        TrainingDiverged, match=rf"collapsed at step {5 * epoch} \(epoch {epoch}\).*stop_on_collapse"
    ):
        trained(tmp_path / "ended", config_of(**given, stop_on_collapse=True))


def test_early_stopping_by_neighbours(tmp_path):
    run = trained(tmp_path / "run", config_of(early_stopping=1, max_epochs=30, learning_rate=1e-9))
    assert len(run.rows) < 5


def test_evaluated_now_and_then_and_at_the_end(tmp_path):
    run = trained(tmp_path / "run", config_of(evaluate_every=2, diagnostics_every=3))
    assert ["knn/val_accuracy" in row for row in run.rows] == [False, True, True]
    assert ["collapse/spread" in row for row in run.rows] == [False, True, True]
    assert list(run.tables["diagnostics"]["epoch"]) == [3]


def test_precision_and_compiling(tmp_path):
    run = trained(tmp_path / "run", config_of(precision="bf16-mixed", max_epochs=1))
    assert 0 <= run.summary["knn/val_accuracy_best"] <= 1
    with pytest.raises(ConfigError, match="precision: is 16-mixed, which a GPU has, and device is cpu"):
        trained(tmp_path / "half", config_of(precision="16-mixed", max_epochs=1))
