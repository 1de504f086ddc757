"""Training of every kind of model, on digits; what does not depend on the kind is tested in test_train.py."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from framework.data import load_splits
from framework.models import MODELS
from framework.models.classifier import Classifier
from framework.models.split import split
from framework.training import load_evaluation, load_model
from framework.training.evaluation import SPLITS, evaluate
from tests.framework.training.conftest import KINDS, small_kind, train

CPU = torch.device("cpu")


def test_every_kind_is_there():
    assert set(KINDS) == set(MODELS)


@pytest.mark.parametrize("kind", MODELS)
def test_the_loss_falls(runs, kind):
    run, _ = runs[kind]
    classifies = issubclass(MODELS[kind].module, Classifier)
    name = "cross_entropy" if classifies else "mse"
    expected = {"epoch", "step", f"train/{name}", f"val/{name}", "learning_rate", "time/epoch_s"}
    expected |= {"val/accuracy"} if classifies else set()
    expected |= {"train/kl", "val/kl"} if kind == "vae" else set()
    assert set(run.rows[0]) == expected
    assert run.rows[1][f"train/{name}"] < run.rows[0][f"train/{name}"]
    assert {f"{part}/{name}_best" for part in SPLITS} <= set(run.summary)
    assert ("reconstructions" in run.images) is not classifies


@pytest.mark.parametrize("kind", MODELS)
def test_equal_configs_give_equal_weights(runs, kind, tmp_path):
    run, config = runs[kind]
    again = train(tmp_path, config)
    for name in ("initial", "best", "last", "evaluation"):
        first, second = (load_file(r.folder / "model" / f"{name}.safetensors") for r in (run, again))
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_from_its_artifact(runs, kind):
    run, config = runs[kind]
    folder = run.require("model", config)
    model, evaluation = load_model(folder, config), load_evaluation(folder)
    description = json.loads((folder / "model.json").read_text())
    assert (description["task"], description["num_classes"]) == (model.task, model.num_classes)
    val = load_splits(config.data).val
    with torch.no_grad():
        latents = model.encode(val.images)
        outputs = model.decode(latents)
    torch.testing.assert_close(evaluation.latents["val"], latents, atol=1e-5, rtol=1e-4)
    if model.task == "reconstruction":
        errors = (outputs - val.images).square().mean(dim=(1, 2, 3))
        assert not evaluation.predictions
    else:
        errors = F.cross_entropy(outputs, val.labels, reduction="none")
        assert evaluation.predictions["val"].dtype == torch.int64
        assert torch.equal(evaluation.predictions["val"], outputs.argmax(dim=1))
        share = float((outputs.argmax(dim=1) == val.labels).double().mean())
        assert run.summary["val/accuracy_best"] == pytest.approx(share)
        assert run.summary["val/accuracy_best"] == pytest.approx(
            run.rows[run.summary["best_epoch"] - 1]["val/accuracy"]
        )
    torch.testing.assert_close(evaluation.errors["val"], errors, atol=1e-5, rtol=1e-4)


def test_a_model_that_is_cut_elsewhere_is_evaluated_like_any_other(runs):
    for kind, layer in (("vit", "encoder.ln"), ("ae", "decoder.1")):
        run, config = runs[kind]
        model, splits = load_model(run.require("model", config), config), load_splits(config.data)
        whole, cut = evaluate(model, splits, CPU), evaluate(split(model, layer, (1, 8, 8)), splits, CPU)
        for part in SPLITS:
            torch.testing.assert_close(cut.errors[part], whole.errors[part])
            assert len(cut.latents[part]) == len(whole.latents[part])
        assert set(cut.predictions) == set(whole.predictions)


def test_the_learning_rate_falls_in_a_line(tmp_path):
    run = train(tmp_path, small_kind("mlp_autoencoder", schedule="linear", max_epochs=4, learning_rate=0.008))
    assert [row["learning_rate"] for row in run.rows] == pytest.approx([0.008, 0.006, 0.004, 0.002])
