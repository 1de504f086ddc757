import signal

import pandas as pd
import pytest
import torch

from experiments.stitching import controls
from experiments.stitching.cells import load_cell
from experiments.stitching.config import StitchingConfig
from experiments.stitching.parents import load_parent
from experiments.stitching.study import stitching_study
from framework.data import load_splits
from framework.errors import ConfigError, Interrupted
from framework.training.checkpoints import load_model
from tests.experiments.stitching.conftest import stitching
from tests.framework.fakes import Shelf

MAPPING = {"kind": "affine", "ridges": [0.1]}


@pytest.fixture(scope="module")
def scores(bench):
    names = ("none", "shuffled_anchors", "random_encoder", "class_means", "task_loss")
    runs = {name: bench.run(stitching(control=name, mapping=MAPPING, num_samples=[300])) for name in names}
    return {name: run.tables["results"].iloc[0] for name, run in runs.items()}


def test_each_control_has_a_name_of_its_own_in_the_tables(scores):
    assert {name: row["mapping"] for name, row in scores.items()} == {
        "none": "affine",
        "shuffled_anchors": "affine_shuffled",
        "random_encoder": "affine_untrained",
        "class_means": "class_means",
        "task_loss": "task_loss",
    }
    assert scores["random_encoder"]["source"].startswith("untrained_")
    assert scores["task_loss"]["name"].endswith(">task_loss_300_0.1_equally")


def test_they_come_in_the_order_that_they_must(scores):
    """Seeing the images is best; unrelated pairs leave the mean image at best."""
    errors = {name: row["mse_stitched"] for name, row in scores.items()}
    assert errors["task_loss"] < errors["none"]
    assert errors["none"] < errors["class_means"]
    assert errors["class_means"] < errors["shuffled_anchors"]
    assert errors["none"] < errors["random_encoder"]


def test_shuffled_anchors_are_the_same_images_in_another_order(bench):
    config = stitching(control="shuffled_anchors", mapping=MAPPING, num_samples=[60])
    folder = bench.run(config).require("mapping", config)
    plain = stitching(mapping=MAPPING, num_samples=[60])
    paired = bench.run(plain).require("mapping", plain)
    assert not torch.allclose(load_cell(folder, 60, 0.1).weight, load_cell(paired, 60, 0.1).weight)


def test_the_random_encoder_is_the_source_before_its_first_step(bench):
    config = stitching(control="random_encoder", mapping=MAPPING, num_samples=[60])
    run = bench.run(config)
    initial = load_model(run.require("model", config.source), config.source, "initial").eval()
    target = load_parent(config.target, None, bench.new_run())
    test = load_splits(config.source.data).test
    mapping = load_cell(run.require("mapping", config), 60, 0.1)
    with torch.no_grad():
        given = target.model.eval().decode(mapping(initial.encode(test.images)))
    error = float((given - test.images).square().mean())
    assert run.tables["results"]["mse_stitched"][0] == pytest.approx(error, rel=1e-4)
    assert run.tables["results"]["mse_source"][0] > 0.05


def test_a_stitching_layer_begins_at_an_affine_map():
    with pytest.raises(
        ConfigError, match=r"control: is task_loss, which trains an affine layer; mapping\.kind is mlp"
    ):
        StitchingConfig.parse({"control": "task_loss", "mapping": {"kind": "mlp"}})


def test_a_classifiers_head_is_a_task_too(bench):
    heads = [
        {"model": {"kind": "mlp"}, "seed": seed, "max_epochs": 3, "device": "cpu", "learning_rate": 0.003}
        for seed in (0, 1)
    ]
    given = {"source": heads[0], "target": heads[1], "num_samples": [100], "device": "cpu"}
    plain, trained = (
        bench.run(StitchingConfig.parse({**given, "mapping": {"kind": "affine", "ridges": [1e4]}, **more}))
        for more in ({}, {"control": "task_loss"})
    )
    before, after = (run.tables["results"]["accuracy_stitched"][0] for run in (plain, trained))
    assert after > before + 0.1


def test_layers_that_were_trained_are_not_trained_again_by_who_goes_on(bench, tmp_path, monkeypatch):
    config = stitching(control="task_loss", mapping=MAPPING, num_samples=[20, 40, 60])
    whole = bench.run(config).tables["results"]
    shelf, trained, real = Shelf(tmp_path / "shelf"), [], controls.train_on_task

    def counted(*arguments):
        if len(trained) == 2 and not shelf.folder.exists():
            raise Interrupted(signal.SIGUSR2)
        trained.append(len(arguments[2]))
        return real(*arguments)

    monkeypatch.setattr(controls, "train_on_task", counted)
    first = bench.new_run(shelf)
    with pytest.raises(Interrupted):
        stitching_study(config, first)
    assert first.progress.keep()
    again = bench.new_run(shelf)
    stitching_study(config, again)
    assert trained == [20, 40, 60], "each once"
    names = [name for name in whole if "seconds" not in name]
    pd.testing.assert_frame_equal(again.tables["results"][names], whole[names])
