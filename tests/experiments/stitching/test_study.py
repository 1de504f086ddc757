import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from experiments.stitching import parents
from experiments.stitching.cells import Cell, load_cell
from experiments.stitching.config import LatentsConfig, StitchingConfig
from experiments.stitching.figures.looks import ORDER
from experiments.stitching.gallery import shown_cell
from experiments.stitching.manager import StitchingManager
from experiments.stitching.parents import load_parent, model_name
from experiments.stitching.stitch import Stitched
from experiments.stitching.study import pick_anchors
from framework.data import STRATEGIES, load_splits
from framework.errors import ArtifactError, ConfigError, InvalidInput
from framework.mappings import METHODS
from framework.mappings.affine import AffineMapping
from framework.mappings.config import AUTO
from framework.mappings.linear import LinearMapping
from framework.training.config import TrainingConfig
from tests.experiments.bench import Bench
from tests.experiments.compared import compared_by
from tests.experiments.stitching.conftest import model, stitching

FACTORS = [
    *(
        "dataset",
        "split",
        "source",
        "source_id",
        "source_kind",
        "source_seed",
        "source_layer",
        "latent_dim_source",
    ),
    *("target", "target_id", "target_kind", "target_seed", "target_layer", "latent_dim_target"),
    *("sampling", "device", "sampling_seed", "mapping", "ridge", "num_samples", "name"),
]
SCORES = [
    *("mse_stitched", "mse_source", "mse_target", "psnr_stitched", "ssim_stitched"),
    *("latent_distance_original", "latent_distance_source", "latent_distance_target"),
    *(
        "cosine_original",
        "cosine_source",
        "cosine_target",
        "cka_original",
        "cka",
        "angle_mean",
        "angle_max",
        "angle_null",
    ),
    *("singular_max", "singular_min", "mse_to_target", "mse_stitched_val"),
]


def identity(size):
    return LinearMapping.of(np.eye(size), np.zeros(size))


def test_the_identity_between_a_model_and_itself_is_the_model(bench, stitched_run):
    _, config = stitched_run
    parent = load_parent(config.source, None, bench.new_run())
    images = load_splits(config.source.data).test.images[:20]
    stitched = Stitched(parent.model.train(), identity(5), parent.model)
    with torch.no_grad():
        assert torch.equal(stitched(images), parent.model.eval()(images))
        torch.testing.assert_close(stitched(images[:1]), stitched(images)[:1])


def test_a_mapping_of_other_sizes_is_refused(bench, stitched_run):
    _, config = stitched_run
    parent = load_parent(config.source, None, bench.new_run())
    with pytest.raises(InvalidInput, match="maps 4 → 4 dimensions; these models need 5 → 5"):
        Stitched(parent.model, identity(4), parent.model)


def test_the_tables_have_the_documented_columns_and_a_row_a_cell(stitched_run):
    run, _ = stitched_run
    results, by_class = run.tables["results"], run.tables["results_class"]
    assert results.columns.tolist() == FACTORS + SCORES
    assert list(zip(results["num_samples"], results["ridge"], strict=True)) == [
        (20, 0.0),
        (20, 0.1),
        (60, 0.0),
        (60, 0.1),
    ]
    assert {*FACTORS, "class", "count", "mse_stitched_variance", "kept_source_top"} <= set(by_class)
    assert len(by_class) == 4 * 10
    assert len(run.tables["error_distribution"]) == (4 + 2) * 10
    assert len(run.tables["results_top"]) == 4 * len(load_splits(TrainingConfig().data).test)
    assert run.apart == ["results_top"]
    assert len(run.tables["singular_values"]) == 4 * 5
    assert results["name"][1] == "digits_mlp_autoencoder_5_0>digits_mlp_autoencoder_5_1>affine_20_0.1_equally"
    assert results["name"].is_unique


def test_each_cell_scores_as_the_stitched_module_does(bench, stitched_run):
    run, config = stitched_run
    source, target = (load_parent(side, None, bench.new_run()) for side in (config.source, config.target))
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
    parent = load_parent(getattr(config, side), None, bench.new_run())
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
    from sklearn.linear_model import Ridge

    run, config = stitched_run
    folder = run.require("mapping", config)
    assert sorted(path.name for path in folder.iterdir()) == ["cells.json", "cells.safetensors"]
    train = load_splits(config.source.data).train
    official = load_file(folder / "cells.safetensors")["anchors.60.0"]
    positions = torch.isin(train.indices, official)
    assert positions.sum() == 60
    latents = [
        load_parent(side, None, bench.new_run()).evaluation.latents["train"][positions].double()
        for side in (config.source, config.target)
    ]
    reference = Ridge(alpha=0.1).fit(*latents)
    mapping = load_cell(folder, 60, 0.1)
    assert isinstance(mapping, AffineMapping)
    np.testing.assert_allclose(mapping.weight, reference.coef_, atol=1e-5)
    np.testing.assert_allclose(mapping.bias, reference.intercept_, atol=1e-5)


def test_anchors_are_images_of_the_train_split_the_same_for_every_pair(bench, stitched_run):
    _, config = stitched_run
    splits = load_splits(TrainingConfig().data)
    source, target = (load_parent(side, None, bench.new_run()) for side in (config.source, config.target))
    first = pick_anchors(stitching(0, 1), splits.train, source, target)
    again = pick_anchors(stitching(1, 2), splits.train, target, source)
    other = pick_anchors(stitching(0, 1, sampling_seed=1), splits.train, source, target)
    for (count, seed), positions in first.items():
        assert (len(positions), seed) == (count, 0)
        assert torch.equal(positions, again[count, 0])
        assert not torch.equal(positions, other[count, 1])
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
    assert "stitched/mse_best" not in run.summary, "the least of the test split is no honest number"
    chosen = results.loc[results["mse_stitched_val"].idxmin()]
    assert run.summary["stitched/mse"] == pytest.approx(chosen["mse_stitched"])
    assert run.summary["stitched/mse_val"] == pytest.approx(chosen["mse_stitched_val"])
    assert run.summary["stitched/ridge"] == chosen["ridge"]
    assert run.summary["stitched/num_samples"] == chosen["num_samples"]
    assert run.summary["stitched/mse_mean"] == pytest.approx(results["mse_stitched"].mean())
    assert compared_by("stitching") in run.summary
    assert run.summary["cells"] == 4
    ((picture, caption),) = run.images["stitched"]
    assert picture.shape == (4 * 9 - 1, 10 * 9 - 1)
    assert "stitched by affine from 60 anchors with ridge 0.1" in caption
    gallery = run.arrays["gallery"]
    assert gallery["images"].shape == gallery["stitched"].shape == (10, 1, 8, 8)
    assert gallery["z_mapped"].shape == gallery["z_target"].shape == (360, 5)
    assert gallery["error_stitched"].mean() == pytest.approx(results["mse_stitched"].iloc[3], rel=1e-4)


def test_a_model_stitched_to_itself_is_required_once_and_nearly_perfect(bench):
    config = stitching(0, 0)
    assert len(list(bench.manager.requires("run", config))) == 1
    results = bench.run(config).tables["results"]
    exact = results[results["ridge"] == 0]
    np.testing.assert_allclose(exact["mse_stitched"], exact["mse_source"], rtol=1e-3)


def test_the_split_that_is_scored_is_the_one_that_is_named(bench):
    results = bench.run(stitching(split="val")).tables["results"]
    parent = load_parent(stitching().source, None, bench.new_run())
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
    assert model_name(TrainingConfig(seed=4), 8) == "digits_pcktae_8_4"
    assert model_name(TrainingConfig(classes=(0, 1)), 16, "layer2") == "digits_pcktae_classes01_16_0@layer2"


def test_all_pairs_mappings_strategies_samples_and_ridges_encode_each_image_once(tmp_path, monkeypatch):
    """Three models, two mappings, two n, two λ, two strategies: 96 fits."""
    from framework.models.mlp import DenseAutoencoder

    encoded = []
    genuine = DenseAutoencoder.encode
    monkeypatch.setattr(
        DenseAutoencoder,
        "encode",
        lambda self, images: (encoded.append(0 if self.training else len(images)), genuine(self, images))[1],
    )
    fresh = Bench(tmp_path, StitchingManager())
    frames, during_stitching = [], 0
    for pair in itertools.permutations(range(3), 2):
        for kind, sampling in itertools.product(("linear", "affine"), ("equally", "random")):
            config = stitching(*pair, mapping={"kind": kind, "ridges": [0, 0.1]}, sampling=sampling)
            for required_kind, required in fresh.manager.requires("run", config):
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


@pytest.mark.parametrize("kind", list(METHODS))
def test_every_mapping_goes_from_config_to_tables(bench, kind):
    given = {"kind": kind} | ({"ridges": [0.01]} if METHODS[kind].uses_ridge else {})
    run = bench.run(stitching(mapping=given))
    results = run.tables["results"]
    assert set(results["mapping"]) == {kind}
    assert results["num_samples"].tolist() == [20, 60]
    assert np.isfinite(results[["mse_stitched", "ssim_stitched", "latent_distance_target", "cka"]]).all(axis=None)
    assert ("singular_max" in results) == (kind not in ("mlp", "residual", "kernel", "relative"))
    cell = load_cell(run.require("mapping", stitching(mapping=given)), 60, results["ridge"][0])
    assert cell.kind == kind


def test_every_draw_is_fitted_and_scored_with_anchors_of_its_own(bench):
    config = stitching(draws=3, sampling_seed=4, mapping={"kind": "linear", "ridges": [0.01]})
    run = bench.run(config)
    results = run.tables["results"]
    assert list(zip(results["sampling_seed"], results["num_samples"], strict=True)) == [
        (seed, n) for seed in (4, 5, 6) for n in (20, 60)
    ]
    assert results["name"].is_unique
    assert results["mse_stitched"].nunique() == 6
    alone = bench.run(stitching(sampling_seed=5, mapping={"kind": "linear", "ridges": [0.01]})).tables["results"]
    of_five = results[results["sampling_seed"] == 5]
    assert of_five["mse_stitched"].tolist() == pytest.approx(alone["mse_stitched"].tolist(), rel=1e-6)
    assert set(run.tables["results_class"]["sampling_seed"]) == {4, 5, 6}
    first, second = (load_cell(run.require("mapping", config), 60, 0.01, seed) for seed in (4, 5))
    assert not torch.equal(first.weight, second.weight)
    assert torch.equal(load_cell(run.require("mapping", config), 60, 0.01).weight, first.weight)
    with pytest.raises(ArtifactError, match="of the draw with seed 9"):
        load_cell(run.require("mapping", config), 60, 0.01, 9)


def test_the_score_on_val_is_that_of_the_stitched_module_on_the_first_images_of_val(bench):
    config = stitching(selection_images=70)
    run = bench.run(config)
    source, target = (load_parent(side, None, bench.new_run()) for side in (config.source, config.target))
    images = load_splits(config.source.data).val.images[:70]
    for row in run.tables["results"].itertuples():
        mapping = load_cell(run.require("mapping", config), row.num_samples, row.ridge)
        with torch.no_grad():
            errors = (Stitched(source.model, mapping, target.model)(images) - images).double().square()
        assert row.mse_stitched_val == pytest.approx(float(errors.mean()), rel=1e-4)
    blind = bench.run(stitching(selection_images=0))
    assert "mse_stitched_val" not in blind.tables["results"]
    assert "stitched/mse" not in blind.summary


def test_automatic_ridges_are_relative_to_the_latents(bench):
    from sklearn.linear_model import Ridge

    config = stitching(num_samples=[20], mapping={"kind": "affine", "ridges": "auto"})
    run = bench.run(config)
    assert run.tables["results"]["ridge"].tolist() == list(AUTO)
    anchors = load_file(run.require("mapping", config) / "cells.safetensors")["anchors.20.0"]
    train = load_splits(config.source.data).train
    z, y = (
        load_parent(side, None, bench.new_run())
        .evaluation.latents["train"][[train.indices.tolist().index(place) for place in anchors.tolist()]]
        .double()
        .numpy()
        for side in (config.source, config.target)
    )
    unit = np.square(z - z.mean(axis=0)).sum() / z.shape[1]
    reference = Ridge(alpha=0.1 * unit).fit(z, y)
    np.testing.assert_allclose(
        load_cell(run.require("mapping", config), 20, 0.1).weight, reference.coef_, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_goes_from_config_to_recorded_anchors(bench, strategy):
    config = stitching(num_samples=[16], sampling=strategy, sampling_classes=[1, 3, 4, 8])
    run = bench.run(config)
    anchors = load_file(run.require("mapping", config) / "cells.safetensors")["anchors.16.0"]
    train = load_splits(config.source.data).train
    assert len(set(anchors.tolist())) == 16
    assert set(train.labels[torch.isin(train.indices, anchors)].tolist()) <= {1, 3, 4, 8}
    assert run.tables["results"]["name"][0].endswith(f"_{strategy}")


def test_worst_classes_are_those_of_the_target(bench):
    config = stitching(num_samples=[20], sampling="worst_classes")
    target = load_parent(config.target, None, bench.new_run())
    train = load_splits(config.source.data).train
    means = [float(target.evaluation.errors["train"][train.labels == label].mean()) for label in range(10)]
    anchors = pick_anchors(config, train, load_parent(config.source, None, bench.new_run()), target)[20, 0]
    assert set(train.labels[anchors].tolist()) == set(np.argsort(means)[5:].tolist())


def test_hidden_layers_are_encoded_once_and_stitched(bench):
    layers = {"source_layer": "encoder.1", "target_layer": "encoder.1"}
    config = stitching(**layers)
    made = bench.made
    run = bench.run(config)
    assert run.tables["results"]["latent_dim_source"].tolist() == [24] * 4
    assert run.tables["results"]["source_layer"].tolist() == ["encoder.1"] * 4
    assert run.tables["results"]["source"][0] == "digits_mlp_autoencoder_24_0@encoder.1"
    again = bench.made
    bench.run(stitching(mapping={"kind": "linear"}, **layers))
    assert bench.made == again == made + 2
    parent = load_parent(config.source, "encoder.1", bench.new_run())
    images = load_splits(config.source.data).test.images
    with torch.no_grad():
        torch.testing.assert_close(parent.evaluation.latents["test"], parent.model.encode(images))
        torch.testing.assert_close(
            parent.model(images), load_parent(config.source, None, bench.new_run()).model(images)
        )


def test_a_layer_that_is_not_there_is_an_error_that_names_those_that_are(bench):
    missing = LatentsConfig(model=stitching().source, layer="encoder.9")
    with pytest.raises(InvalidInput, match=r"encoder\.9"):
        bench.manager.make("latents", missing, bench.new_run())


def test_models_trained_on_some_classes_are_stitched_over_all_images(bench):
    half = model(0, classes=[0, 1, 2, 3, 4])
    run = bench.run(
        StitchingConfig.parse({"source": half, "target": model(1), "num_samples": [20], "device": "cpu"})
    )
    assert run.tables["results"]["source"][0] == "digits_mlp_autoencoder_classes01234_5_0"
    assert set(run.tables["results_class"]["class"]) == set(range(10))


def test_classifiers_are_stitched_into_heads_that_classify(bench):
    heads = [
        {"model": {"kind": "resnet18"}, "seed": seed, "max_epochs": 1, "device": "cpu", "learning_rate": 0.001}
        for seed in (0, 1)
    ]
    config = StitchingConfig.parse({"source": heads[0], "target": heads[1], "num_samples": [300], "device": "cpu"})
    run = bench.run(config)
    row = run.tables["results"].iloc[0]
    assert {"accuracy_stitched", "accuracy_source", "agreement_target", "cross_entropy_stitched"} <= set(row.index)
    assert "mse_stitched" not in row
    source, target = (load_parent(side, None, bench.new_run()) for side in (config.source, config.target))
    mapping = load_cell(run.require("mapping", config), 300, 0.0)
    test = load_splits(config.source.data).test
    with torch.no_grad():
        said = target.model.decode(mapping(source.model.encode(test.images))).argmax(dim=1)
        own = target.model(test.images).argmax(dim=1)
    assert row["accuracy_stitched"] == pytest.approx(float((said == test.labels).double().mean()), abs=0.003)
    assert row["agreement_target"] == pytest.approx(float((said == own).double().mean()), abs=0.003)
    assert not run.images
    assert run.summary["stitched/accuracy"] in run.tables["results"]["accuracy_stitched"].tolist()
    with torch.no_grad():
        val = load_splits(config.source.data).val
        on_val = target.model.decode(mapping(source.model.encode(val.images))).argmax(dim=1)
    assert row["accuracy_stitched_val"] == pytest.approx(float((on_val == val.labels).double().mean()), abs=0.006)


def test_an_autoencoder_can_be_read_by_a_classifier(bench):
    head = {"model": {"kind": "vit"}, "seed": 0, "max_epochs": 1, "device": "cpu"}
    run = bench.run(
        StitchingConfig.parse({"source": model(0), "target": head, "num_samples": [60], "device": "cpu"})
    )
    row = run.tables["results"].iloc[0]
    assert {"mse_source", "cross_entropy_target", "accuracy_stitched", "accuracy_target"} <= set(row.index)
    assert "accuracy_source" not in row


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda z: z * np.nan,
            r"digits_mlp_autoencoder_5_0 > digits_mlp_autoencoder_5_1, mapping.kind=affine.*NaN",
        ),
        (lambda z: z * 0, r"digits_mlp_autoencoder_5_0 > digits_mlp_autoencoder_5_1, .*(?s:.)*collapsed"),
    ],
)
def test_latents_that_cannot_be_mapped_name_the_pair_and_the_mapping(bench, monkeypatch, spoil, message):
    genuine = parents.load_evaluation

    def spoilt(folder):
        evaluation = genuine(folder)
        return replace(evaluation, latents={name: spoil(z) for name, z in evaluation.latents.items()})

    monkeypatch.setattr(parents, "load_evaluation", spoilt)
    with pytest.raises(InvalidInput, match=f"(?s){message}"):
        bench.run(stitching())


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"kind": "orthogonal", "scaling": "isotropic"}, "orthogonal_isotropic"),
        ({"kind": "orthogonal", "scaling": "standardised"}, "orthogonal_standardised"),
        ({"kind": "relative", "centred": True}, "relative_centred"),
    ],
)
def test_a_variant_of_a_mapping_has_a_name_of_its_own(bench, given, label):
    run = bench.run(stitching(mapping=given))
    results = run.tables["results"]
    assert set(results["mapping"]) == {label}
    assert all(f">{label}_" in name for name in results["name"])
    assert load_cell(run.require("mapping", stitching(mapping=given)), 60, 0.0).kind == given["kind"]
    assert label in ORDER


def test_a_cycle_that_cannot_close_is_said_in_the_summary(bench):
    wide = model(3, model={"kind": "pcktae", "latent_dim": 7}, max_epochs=1)
    narrow = {"source": wide, "target": model(1), "num_samples": [20], "device": "cpu"}
    run = bench.run(StitchingConfig.parse(narrow | {"mapping": {"kind": "decouple"}}))
    assert "rank" in run.summary["notes"]
    assert "notes" not in bench.run(stitching(mapping={"kind": "decouple"})).summary


def test_the_shown_cell_is_chosen_by_its_place_and_not_by_its_score():
    cells = [Cell(n, ridge, None) for n in (10, 60, 20) for ridge in (1.0, 0.0, 0.01)]
    assert shown_cell(cells)[:2] == (60, 0.01)
    assert shown_cell([Cell(10, 0.0, None)])[:2] == (10, 0.0)


def test_what_is_scored_can_be_turned_off(bench):
    run = bench.run(stitching(per_image=False, ssim_images=0))
    assert "results_top" not in run.tables
    assert "ssim_stitched" not in run.tables["results"]
