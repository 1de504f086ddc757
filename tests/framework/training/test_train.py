import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from framework.data import load_splits
from framework.errors import ArtifactError, SashikoError
from framework.training import load_evaluation, load_model, train_model
from framework.training.config import TrainingConfig
from tests.framework.fakes import FakeRun
from tests.framework.training.conftest import SMALL


def small(**changes):
    return TrainingConfig.parse({"model": SMALL, "max_epochs": 2, "device": "cpu"} | changes)


def trained_anew(folder, **changes):
    run = FakeRun(folder)
    train_model(small(**changes), run)
    return run


def weights(run, name):
    return load_file(run.folder / "model" / f"{name}.safetensors")


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_one_row_an_epoch_with_everything_in_it(trained):
    run, config = trained
    assert [row["epoch"] for row in run.rows] == [1, 2, 3]
    steps = math.ceil(len(load_splits(config.data).train) / config.batch_size)
    assert [row["step"] for row in run.rows] == [steps, 2 * steps, 3 * steps]
    for row in run.rows:
        assert set(row) == {"epoch", "step", "train/mse", "val/mse", "learning_rate", "time/epoch_s"}
        assert row["learning_rate"] == config.learning_rate
    assert run.rows[-1]["val/mse"] < run.rows[0]["val/mse"]


def test_the_artifact_holds_safetensors_and_json_only(trained):
    run, config = trained
    folder = run.require("model", config)
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        *(f"{name}.safetensors" for name in ("initial", "best", "last", "epoch_0002", "evaluation", "optimizer")),
    }
    description = json.loads((folder / "model.json").read_text())
    assert description["kind"] == "mlp_autoencoder"
    assert description["task"] == "reconstruction"
    assert description["input_shape"] == [1, 8, 8]
    assert description["num_classes"] is None


def test_the_logged_val_error_is_that_of_the_saved_weights(trained):
    run, config = trained
    val = load_splits(config.data).val.images
    for which, epoch in (("last", 3), ("epoch_0002", 2)):
        model = load_model(run.require("model", config), config, which)
        with torch.no_grad():
            error = float((model(val) - val).square().mean())
        assert error == pytest.approx(run.rows[epoch - 1]["val/mse"], rel=1e-5)


def test_the_evaluation_is_that_of_the_best_weights_on_every_split(trained):
    run, config = trained
    folder = run.require("model", config)
    model, evaluation, splits = load_model(folder, config), load_evaluation(folder), load_splits(config.data)
    assert not model.training
    for name in ("train", "val", "test"):
        images = getattr(splits, name).images
        with torch.no_grad():
            torch.testing.assert_close(evaluation.latents[name], model.encode(images), atol=1e-5, rtol=1e-5)
            errors = (model(images) - images).square().mean(dim=(1, 2, 3))
        torch.testing.assert_close(evaluation.errors[name], errors, atol=1e-6, rtol=1e-4)
        assert not evaluation.predictions
        assert run.summary[f"{name}/mse_best"] == pytest.approx(float(errors.mean()), rel=1e-4)
    assert run.summary["val/mse_best"] == pytest.approx(min(row["val/mse"] for row in run.rows), rel=1e-5)
    assert run.summary["device"] == "cpu"


def test_equal_configs_train_bit_equal_and_seeds_differ(tmp_path):
    pocket = {"model": {"kind": "pcktae", "latent_dim": 3}, "max_epochs": 1, "batch_size": 256}
    first, again, other = (
        trained_anew(tmp_path / name, **pocket, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    for name in ("initial", "best", "last", "evaluation"):
        assert same(weights(first, name), weights(again, name))
    without_times = [
        [{key: value for key, value in row.items() if "time" not in key} for row in run.rows]
        for run in (first, again)
    ]
    assert without_times[0] == without_times[1]
    assert not same(weights(first, "initial"), weights(other, "initial"))


def test_the_number_of_workers_changes_nothing(tmp_path):
    dropping = {"model": {"kind": "pcktae"}, "max_epochs": 2, "batch_size": 512}
    alone = trained_anew(tmp_path / "alone", **dropping)
    helped = trained_anew(tmp_path / "helped", **dropping, num_workers=1)
    assert small(num_workers=1).config_id == small().config_id
    assert same(weights(alone, "last"), weights(helped, "last"))


def test_best_is_a_copy_that_stays_when_validation_worsens(tmp_path, monkeypatch):
    rates = iter([1e-2, 1e-2, 30.0, 30.0, 30.0])

    def jump(self, trainer, module):
        trainer.optimizers[0].param_groups[0]["lr"] = next(rates)

    monkeypatch.setattr("framework.training.callbacks.learning_rate.LearningRate.on_train_epoch_start", jump)
    run = trained_anew(tmp_path, max_epochs=4, checkpoint_every=1)
    errors = [row["val/mse"] for row in run.rows]
    best = int(np.argmin(errors)) + 1
    assert best < 4
    assert run.summary["best_epoch"] == best
    assert same(weights(run, "best"), weights(run, f"epoch_{best:04d}"))
    assert same(weights(run, "last"), weights(run, "epoch_0004"))
    assert not same(weights(run, "best"), weights(run, "last"))
    assert run.summary["val/mse_best"] == pytest.approx(min(errors), rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    run = FakeRun(tmp_path)
    with pytest.raises(SashikoError, match=r"(nan|infinite) loss at step \d+ \(epoch 1\)"):
        train_model(small(learning_rate=1e30), run)
    assert not run.artifacts


def test_trainer_options_reach_the_trainer(tmp_path):
    run = trained_anew(tmp_path, trainer={"limit_train_batches": 3, "gradient_clip_val": 0.5})
    assert [row["step"] for row in run.rows] == [3, 6]


def test_without_validation_there_is_no_best(tmp_path):
    with pytest.raises(SashikoError, match="no epoch was validated"):
        trained_anew(tmp_path, trainer={"limit_val_batches": 0}, max_epochs=1)


def test_images_on_a_standard_scale_give_errors_on_the_unit_scale(tmp_path):
    run = trained_anew(tmp_path, data={"normalise": "standard"}, max_epochs=3)
    config = small(data={"normalise": "standard"}, max_epochs=3)
    splits, model = load_splits(config.data), load_model(run.require("model", config), config, "last")
    with torch.no_grad():
        difference = (model(splits.val.images) - splits.val.images) * splits.std[:, None, None]
    assert float(difference.square().mean()) == pytest.approx(run.rows[-1]["val/mse"], rel=1e-5)


def test_timing_has_minutes_by_phase_and_memory(trained):
    run, _ = trained
    table = run.tables["timing"]
    assert table["phase"].tolist() == ["data", "forward", "backward", "update", "validation", "total"]
    assert (table["minutes"] > 0).all()
    phases, total = table[:-1], table.iloc[-1]
    assert total["minutes"] == pytest.approx(phases["minutes"].sum())
    assert phases["share"].tolist() == pytest.approx((phases["minutes"] / total["minutes"]).tolist())
    assert total["share"] == 1
    assert total["peak_memory_mb"] == run.summary["memory/peak_mb"]
    assert phases["peak_memory_mb"].isna().all()
    spent = sum(row["time/epoch_s"] for row in run.rows) / 60
    assert 0.5 * spent < total["minutes"] < 1.1 * spent
    assert 10 < run.summary["memory/peak_mb"] < 100_000


@pytest.mark.parametrize(("every", "epochs"), [(2, [2, 3]), (3, [3]), (None, [])])
def test_reconstructions_come_every_k_epochs_and_at_the_end(every, epochs, tmp_path):
    run = trained_anew(tmp_path, max_epochs=3, reconstructions_every=every)
    captions = [caption for _, caption in run.images.get("reconstructions", [])]
    assert [int(caption.split()[1].rstrip(":")) for caption in captions] == epochs


def test_training_prints_and_warns_nothing(tmp_path, capfd):
    trained_anew(tmp_path, max_epochs=1)
    assert capfd.readouterr() == ("", "")


def test_loading_refuses_what_is_not_there(trained, tmp_path):
    run, config = trained
    folder = run.require("model", config)
    with pytest.raises(ArtifactError, match=r"no checkpoint 'epoch_0007'; there are: best, epoch_0002, "):
        load_model(folder, config, "epoch_0007")
    with pytest.raises(ArtifactError, match=r"holds no model\.json"):
        load_model(tmp_path, config)
    with pytest.raises(ArtifactError, match=r"holds no evaluation\.safetensors"):
        load_evaluation(tmp_path)
    with pytest.raises(ArtifactError, match="holds the model"):
        load_model(folder, TrainingConfig())


def test_loading_leaves_the_random_state_alone(trained):
    run, config = trained
    before = torch.get_rng_state()
    load_model(run.require("model", config), config)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", [-(2**53) + 1, -3, 2**32 + 1, 2**53 - 1])
def test_every_seed_trains_and_says_the_same_again(seed, tmp_path):
    first, again, other = (
        trained_anew(tmp_path / str(number), seed=own, max_epochs=1) for number, own in enumerate((seed, seed, 0))
    )
    assert same(weights(first, "last"), weights(again, "last"))
    assert first.rows[-1]["val/mse"] == again.rows[-1]["val/mse"] != other.rows[-1]["val/mse"]
