import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.stitching.cells import load_cell
from experiments.stitching.stitch import Stitched
from experiments.stitching.study import load_parent, model_name, pick_anchors
from framework.data import load_splits
from framework.errors import ArtifactError, ConfigError, InvalidInput
from framework.mappings.base import AffineMapping, LinearMapping
from framework.training.config import TrainingConfig
from tests.experiments.stitching.conftest import model, stitching

RESULT_COLUMNS = [
    *("dataset", "split", "source", "target", "source_id", "target_id"),
    *("latent_dim_source", "latent_dim_target", "sampling", "sampling_seed", "mapping", "ridge", "num_samples"),
    *("name", "mse_stitched", "mse_source", "mse_target", "device"),
]


def identity(size):
    return LinearMapping.of(np.eye(size), np.zeros(size))


def test_the_identity_between_a_model_and_itself_is_the_model(bench, stitched_run):
    _, config = stitched_run
    parent = load_parent(config.source, bench.new_run())
    images = load_splits(config.source.data).test.images[:20]
    stitched = Stitched(parent.model.train(), identity(5), parent.model)
    with torch.no_grad():
        assert torch.equal(stitched(images), parent.model.eval()(images))
        torch.testing.assert_close(stitched(images[:1]), stitched(images)[:1])


def test_a_mapping_of_other_sizes_is_refused(bench, stitched_run):
    _, config = stitched_run
    parent = load_parent(config.source, bench.new_run())
    with pytest.raises(InvalidInput, match="maps 4 → 4 dimensions; these models need 5 → 5"):
        Stitched(parent.model, identity(4), parent.model)


def test_the_tables_have_the_documented_columns_and_a_row_a_cell(stitched_run):
    run, _ = stitched_run
    results, by_class = run.tables["results"], run.tables["results_class"]
    assert results.columns.tolist() == RESULT_COLUMNS
    assert list(zip(results["num_samples"], results["ridge"], strict=True)) == [
        (20, 0.0),
        (20, 0.1),
        (60, 0.0),
        (60, 0.1),
    ]
    assert set(by_class) == {*RESULT_COLUMNS, "class", "count", "mse_stitched_variance"}
    assert len(by_class) == 4 * 10
    assert results["name"][1] == "digits_mlp_autoencoder_5_0>digits_mlp_autoencoder_5_1>affine_20_0.1_equally"
    assert results["name"].is_unique


def test_each_cell_scores_as_the_stitched_module_does(bench, stitched_run):
    run, config = stitched_run
    source, target = (load_parent(side, bench.new_run()) for side in (config.source, config.target))
    test = load_splits(config.source.data).test
    for row in run.tables["results"].itertuples():
        mapping = load_cell(run.require("mapping", config), row.num_samples, row.ridge)
        with torch.no_grad():
            given = Stitched(source.model, mapping, target.model)(test.images)
            errors = (given - test.images).double().square().mean(dim=(1, 2, 3)).numpy()
        assert row.mse_stitched == pytest.approx(errors.mean(), rel=1e-4)
        by_class = run.tables["results_class"]
        by_class = by_class[by_class["name"] == row.name]
        groups = pd.Series(errors).groupby(test.labels.numpy())
        np.testing.assert_allclose(by_class["mse_stitched"], groups.mean(), rtol=1e-4)
        np.testing.assert_allclose(by_class["mse_stitched_variance"], groups.var(ddof=0), rtol=1e-3)


@pytest.mark.parametrize("side", ["source", "target"])
def test_the_parents_errors_are_their_own_on_the_same_split(bench, stitched_run, side):
    run, config = stitched_run
    parent = load_parent(getattr(config, side), bench.new_run())
    images = load_splits(config.source.data).test.images
    with torch.no_grad():
        error = float((parent.model(images) - images).square().mean())
    assert run.tables["results"][f"mse_{side}"].tolist() == pytest.approx([error] * 4, rel=1e-5)


@pytest.mark.parametrize("column", ["mse_stitched", "mse_source", "mse_target"])
def test_class_means_weighted_by_count_are_the_total(stitched_run, column):
    run, _ = stitched_run
    by_class = run.tables["results_class"]
    total = (by_class[column] * by_class["count"]).groupby(by_class["name"]).sum()
    count = by_class.groupby("name")["count"].sum()
    results = run.tables["results"].set_index("name")
    np.testing.assert_allclose((total / count)[results.index], results[column], rtol=1e-9)
    assert (count == len(load_splits(TrainingConfig().data).test)).all()


def test_the_mapping_is_the_ridge_fit_of_the_recorded_anchors(bench, stitched_run):
    from safetensors.torch import load_file
    from sklearn.linear_model import Ridge

    run, config = stitched_run
    folder = run.require("mapping", config)
    assert sorted(path.name for path in folder.iterdir()) == ["cells.json", "cells.safetensors"]
    train = load_splits(config.source.data).train
    official = load_file(folder / "cells.safetensors")["anchors.60"]
    positions = torch.isin(train.indices, official)
    assert positions.sum() == 60
    latents = [
        load_parent(side, bench.new_run()).evaluation.latents["train"][positions].double()
        for side in (config.source, config.target)
    ]
    reference = Ridge(alpha=0.1).fit(*latents)
    mapping = load_cell(folder, 60, 0.1)
    assert isinstance(mapping, AffineMapping)
    np.testing.assert_allclose(mapping.weight, reference.coef_, atol=1e-5)
    np.testing.assert_allclose(mapping.bias, reference.intercept_, atol=1e-5)


def test_anchors_are_images_of_the_train_split_the_same_for_every_pair():
    splits = load_splits(TrainingConfig().data)
    first = pick_anchors(stitching(0, 1), splits.train)
    again = pick_anchors(stitching(1, 2), splits.train)
    other = pick_anchors(stitching(0, 1, sampling_seed=1), splits.train)
    for count, positions in first.items():
        assert len(positions) == count
        assert torch.equal(positions, again[count])
        assert not torch.equal(positions, other[count])
        assert np.ptp(np.bincount(splits.train.labels[positions])) <= 1


def test_a_cell_that_was_not_fitted_is_refused(stitched_run, tmp_path):
    run, config = stitched_run
    with pytest.raises(ArtifactError, match=r"= \(60, 0.5\); there are: \(20, 0\), \(20, 0.1\), "):
        load_cell(run.require("mapping", config), 60, 0.5)
    with pytest.raises(ArtifactError, match="no artifact of a stitching run"):
        load_cell(tmp_path, 60, 0.5)


def test_the_summary_and_the_picture(stitched_run):
    run, _ = stitched_run
    results = run.tables["results"]
    assert run.summary["stitched/mse_best"] == results["mse_stitched"].min()
    assert run.summary["stitched/mse_mean"] == pytest.approx(results["mse_stitched"].mean())
    assert run.summary["cells"] == 4
    ((picture, caption),) = run.images["stitched"]
    assert picture.shape == (4 * 9 - 1, 10 * 9 - 1)
    assert "from 60 anchors with ridge 0" in caption


def test_a_model_stitched_to_itself_is_required_once_and_nearly_perfect(bench):
    config = stitching(0, 0)
    assert len(list(bench.manager.requires(config))) == 1
    results = bench.run(config).tables["results"]
    exact = results[results["ridge"] == 0]
    np.testing.assert_allclose(exact["mse_stitched"], exact["mse_source"], rtol=1e-3)


def test_the_split_that_is_scored_is_the_one_that_is_named(bench):
    results = bench.run(stitching(split="val")).tables["results"]
    parent = load_parent(stitching().source, bench.new_run())
    assert set(results["split"]) == {"val"}
    assert results["mse_source"][0] == pytest.approx(float(parent.evaluation.errors["val"].double().mean()))


def test_latent_spaces_may_differ_in_size(bench):
    wide = model(3, model={"kind": "pcktae", "latent_dim": 7}, max_epochs=1)
    results = bench.run(stitching(target=wide)).tables["results"]
    assert (results["latent_dim_source"] == 5).all()
    assert (results["latent_dim_target"] == 7).all()


def test_more_anchors_than_there_are_is_an_error_of_the_config(bench):
    with pytest.raises(ConfigError, match="num_samples: is 5000, for which sampling=equally"):
        bench.run(stitching(num_samples=[5000]))


def test_equal_configs_give_equal_tables(bench, stitched_run):
    run, config = stitched_run
    pd.testing.assert_frame_equal(bench.run(config).tables["results"], run.tables["results"])


def test_only_models_can_be_made(bench):
    with pytest.raises(ArtifactError, match="stitching makes models"):
        bench.manager.make("mapping", stitching(), bench.new_run())


def test_names_say_what_a_model_is():
    assert model_name(TrainingConfig(seed=4)) == "digits_pcktae_8_4"


def test_all_pairs_mappings_strategies_samples_and_ridges_encode_each_image_once(tmp_path, monkeypatch):
    """Three models, two mappings, two n, two λ, two strategies: 96 fits."""
    from framework.models.mlp import DenseAutoencoder
    from tests.experiments.stitching.conftest import Bench

    encoded = []
    genuine = DenseAutoencoder.encode
    monkeypatch.setattr(
        DenseAutoencoder,
        "encode",
        lambda self, images: (encoded.append(0 if self.training else len(images)), genuine(self, images))[1],
    )
    fresh = Bench(tmp_path)
    frames, during_stitching = [], 0
    for pair in itertools.permutations(range(3), 2):
        for kind, sampling in itertools.product(("linear", "affine"), ("equally", "random")):
            config = stitching(*pair, mapping={"kind": kind, "ridges": [0, 0.1]}, sampling=sampling)
            for required_kind, required in fresh.manager.requires(config):
                if (required_kind, required.config_id) not in fresh.store:
                    fresh.made += 1
                    fresh.manager.make(required_kind, required, fresh.new_run())
            before = len(encoded)
            run = fresh.new_run()
            fresh.manager.run(config, run)
            during_stitching += len(encoded) - before
            frames.append(run.tables["results"])
    table = pd.concat(frames)
    assert fresh.made == 3
    assert len(table) == 96
    assert table["name"].nunique() == 96
    assert during_stitching == 0
    # In eval mode: val once an epoch (3 epochs) while training, then every image once.
    splits = load_splits(config.source.data)
    everything = sum(len(getattr(splits, name)) for name in ("train", "val", "test"))
    assert sum(encoded) == 3 * (everything + 3 * len(splits.val))
