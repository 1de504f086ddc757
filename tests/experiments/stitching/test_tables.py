"""The four tables against an example that was worked out by hand: 20 images of two classes, two cells."""

import math

import numpy as np
import pytest

from experiments.stitching.tables import (
    CellScores,
    Scored,
    Side,
    class_rows,
    distribution_rows,
    extremes,
    image_rows,
    result_rows,
)

# Errors of the source are 1 … 20 (hundredths), of the target 20 … 1: 5 % of 20 images is one image.
UP = np.arange(1, 21, dtype=np.float32) / 100
DOWN = UP[::-1].copy()
LABELS = np.array([0] * 12 + [1] * 8)
FACTORS = {"dataset": "made up", "split": "test", "source": "a", "target": "b", "sampling": "equally"}


def cell(name, errors, distance, **more):
    factors = {"sampling_seed": 0, "mapping": "linear", "ridge": 0.1, "num_samples": 5, "name": name}
    full = np.full(20, distance, dtype=np.float32)
    return CellScores(factors, errors, full, full * 0 + 0.5, full * 2, full * 0 - 0.5, **more)


def scored(**changes):
    first = UP.copy()
    first[[0, 19]] = first[[19, 0]]  # the first image is now the worst, the last the best
    cells = [cell("a>b>first", first, 3.0, summary={"cka": 0.9}), cell("a>b>second", np.ones(20, np.float32), 4.0)]
    given = {
        "factors": FACTORS,
        "labels": LABELS,
        "indices": np.arange(100, 120),
        "source": Side("a", "mse", UP),
        "target": Side("b", "mse", DOWN),
        "cells": cells,
        "distance_original": np.full(20, 7.0, dtype=np.float32),
        "cosine_original": np.full(20, 0.25, dtype=np.float32),
    }
    return Scored(**(given | changes))


def test_results_has_a_row_a_cell_with_both_parents_beside_it():
    table = result_rows(scored())
    assert table["name"].tolist() == ["a>b>first", "a>b>second"]
    first = table.iloc[0]
    assert first["mse_stitched"] == pytest.approx(0.105)
    assert first["mse_source"] == pytest.approx(0.105)
    assert first["mse_target"] == pytest.approx(0.105)
    assert first["psnr_stitched"] == pytest.approx(np.mean([-10 * math.log10(x / 100) for x in range(1, 21)]))
    assert (first["latent_distance_original"], first["latent_distance_target"]) == (7, 3)
    assert first["latent_distance_source"] == 6
    assert (first["cosine_original"], first["cosine_source"], first["cosine_target"]) == (0.25, -0.5, 0.5)
    assert first["cka"] == 0.9
    assert table.iloc[1]["psnr_stitched"] == 0
    assert set(FACTORS) <= set(table)


def test_results_class_has_means_variances_and_what_is_kept_of_the_extremes():
    table = class_rows(scored()).set_index(["name", "class"])
    assert table["count"].tolist() == [12, 8, 12, 8]
    one = table.loc[("a>b>first", 1)]
    errors = np.array([13, 14, 15, 16, 17, 18, 19, 1]) / 100
    assert one["mse_stitched"] == pytest.approx(errors.mean())
    assert one["mse_stitched_variance"] == pytest.approx(errors.var(), rel=1e-5)
    assert one["mse_target"] == pytest.approx(np.arange(1, 9).mean() / 100)
    assert one["mse_target_variance"] == pytest.approx((np.arange(1, 9) / 100).var(), rel=1e-5)
    # The source's worst image is the last, of class 1: stitched it is the best. Its best is now the worst.
    assert one["kept_source_top"] == 0
    zero = table.loc[("a>b>first", 0)]
    assert zero["kept_source_low"] == 0
    assert math.isnan(zero["kept_source_top"])
    # The target's worst is the first and its best the last: both stay so.
    assert zero["kept_target_top"] == 100
    assert one["kept_target_low"] == 100
    assert math.isnan(one["kept_target_top"])
    assert zero["latent_distance_top"] == 3
    assert one["latent_distance_low"] == 3
    assert math.isnan(one["latent_distance_top"])


def test_results_top_has_a_row_a_cell_and_image_and_flags_that_belong_to_their_cell():
    table = image_rows(scored())
    assert len(table) == 40
    assert table["image"].tolist() == [*range(100, 120)] * 2
    assert table["class"].tolist() == LABELS.tolist() * 2
    assert table["name"].tolist() == ["a>b>first"] * 20 + ["a>b>second"] * 20
    first, second = table.iloc[:20], table.iloc[20:]
    assert first.loc[first["stitched_top"], "image"].tolist() == [100]
    assert first.loc[first["stitched_low"], "image"].tolist() == [119]
    # All errors of the second cell are equal: its first image, and none that is left over from the first cell.
    assert second.loc[second["stitched_top"], "image"].tolist() == [100]
    assert second.loc[second["stitched_low"], "image"].tolist() == [100]
    for rows in (first, second):
        assert rows.loc[rows["source_top"], "image"].tolist() == [119]
        assert rows.loc[rows["source_low"], "image"].tolist() == [100]
        assert rows.loc[rows["target_top"], "image"].tolist() == [100]
        assert rows.loc[rows["target_low"], "image"].tolist() == [119]
        np.testing.assert_array_equal(rows["error_source"], UP)
        np.testing.assert_array_equal(rows["error_target"], DOWN)
    assert set(second["error_stitched"]) == {1}
    assert set(second["latent_distance_target"]) == {4}
    assert set(table["latent_distance_original"]) == {7}
    assert set(table["cosine_source"]) == {-0.5}


def test_error_distribution_is_the_group_by_of_results_top():
    given = scored()
    images, table = image_rows(given), distribution_rows(given)
    assert len(table) == 2 * (2 + 2)
    stitched = table[table["role"] == "stitched"].set_index(["model", "class"])
    groups = images.groupby(["name", "class"], observed=True)["error_stitched"]
    for statistic, expected in (
        ("count", groups.size()),
        ("mean", groups.mean()),
        ("variance", groups.var(ddof=0)),
    ):
        np.testing.assert_allclose(stitched[statistic], expected.loc[stitched.index], rtol=1e-5)
    for role, name in (("source", "a"), ("target", "b")):
        rows = table[table["role"] == role].set_index("class")
        assert set(rows["model"]) == {name}
        groups = images.iloc[:20].groupby("class")[f"error_{role}"]
        np.testing.assert_allclose(rows["mean"], groups.mean(), rtol=1e-5)
        np.testing.assert_allclose(rows["variance"], groups.var(ddof=0), rtol=1e-5)


def test_class_means_weighted_by_count_are_the_total():
    given = scored()
    by_class, total = class_rows(given), result_rows(given).set_index("name")
    for column in ("mse_stitched", "mse_source", "mse_target"):
        weighted = (by_class[column] * by_class["count"]).groupby(by_class["name"]).sum() / 20
        np.testing.assert_allclose(weighted, total[column].loc[weighted.index])


def test_classifiers_have_accuracy_and_agreement_with_both_parents():
    right = LABELS.copy()
    half = np.where(np.arange(20) % 2, LABELS, 1 - LABELS)
    given = scored(
        source=Side("a", "cross_entropy", UP, predictions=half),
        target=Side("b", "cross_entropy", DOWN, predictions=right),
        cells=[cell("x", UP, 1.0, predictions=np.zeros(20, dtype=np.int64))],
    )
    row = result_rows(given).iloc[0]
    assert row["accuracy_stitched"] == pytest.approx(12 / 20)
    assert (row["accuracy_source"], row["accuracy_target"]) == (0.5, 1)
    assert row["agreement_target"] == pytest.approx(12 / 20)
    assert row["agreement_source"] == pytest.approx((half == 0).mean())
    assert row["cross_entropy_stitched"] == pytest.approx(0.105)
    assert "psnr_stitched" not in row
    by_class = class_rows(given).set_index("class")
    assert by_class["accuracy_stitched"].tolist() == [1, 0]
    assert by_class["accuracy_target"].tolist() == [1, 1]
    images = image_rows(given)
    assert images["prediction_stitched"].tolist() == [0] * 20
    assert images["prediction_source"].tolist() == half.tolist()


def test_latents_of_other_sizes_have_no_distance_to_the_source():
    one = cell("x", UP, 1.0)
    bare = CellScores(one.factors, one.errors, one.distance_target, one.cosine_target)
    given = scored(cells=[bare], distance_original=None, cosine_original=None)
    for table in (result_rows(given), image_rows(given)):
        assert "latent_distance_target" in table
        assert not {"latent_distance_source", "latent_distance_original", "cosine_source"} & set(table)


def test_extremes_are_five_per_cent_and_at_least_one():
    errors = np.random.default_rng(0).permutation(200).astype(np.float32)
    flags = extremes(errors)
    assert sorted(errors[flags["top"]]) == list(range(190, 200))
    assert sorted(errors[flags["low"]]) == list(range(10))
    assert extremes(np.zeros(3, dtype=np.float32))["top"].tolist() == [True, False, False]


def test_ssim_is_a_mean_over_the_images_it_was_measured_on():
    ssim = np.linspace(0, 1, 14, dtype=np.float32)
    given = scored(cells=[cell("x", UP, 1.0, ssim=ssim)])
    assert result_rows(given)["ssim_stitched"][0] == pytest.approx(0.5)
    by_class = class_rows(given).set_index("class")["ssim_stitched"]
    assert by_class[0] == pytest.approx(ssim[:12].mean())
    assert by_class[1] == pytest.approx(ssim[12:].mean())
