import pytest

from experiments.stitching.report import report
from framework.report.intervals import estimate
from tests.experiments.stitching.test_report import SEEDED, Tables, made, with_val


def test_the_val_split_chooses_the_ridge_and_the_other_split_is_reported():
    rows = with_val(made(pairs=SEEDED))["results"]
    table = report(Tables(results=rows)).more["selected"]
    keys = ["run_id", "sampling_seed", "num_samples"]
    own = rows[rows["mapping"] == "affine"]
    expected = own.loc[own.groupby(keys)["mse_stitched_val"].idxmin()]
    least = own.groupby(keys)["mse_stitched"].min()
    for n in (10, 50, 200):
        (row,) = table[(table["mapping"] == "affine") & (table["num_samples"] == n)].to_dict("records")
        of_n = expected[expected["num_samples"] == n]
        assert row["mse_stitched_mean"] == pytest.approx(of_n["mse_stitched"].mean())
        assert row["mse_val_mean"] == pytest.approx(of_n["mse_stitched_val"].mean())
        assert row["mse_stitched_mean"] >= least.xs(n, level="num_samples").mean() - 1e-12
        assert (row["n"], row["pairs"], row["draws"], row["units"]) == (24, 12, 2, 4)
        assert (row["ridge_low"], row["ridge_high"]) == (of_n["ridge"].min(), of_n["ridge"].max())
        known = estimate(
            of_n["mse_stitched"],
            list(zip(of_n["source"], of_n["target"], strict=True)),
            draws=of_n["sampling_seed"],
        )
        assert (row["mse_stitched_low"], row["mse_stitched_high"]) == pytest.approx((known.low, known.high))
    assert "selected" not in report(made()).more, "nothing is chosen where nothing was scored on val"


def test_mappings_are_compared_within_pairs_and_draws():
    """Pairs differ by far more than mappings do: the difference is as sure as if they did not."""
    tables = with_val(made(pairs=SEEDED), draws=(0,))
    rows = tables["results"]
    rows["mse_stitched"] = rows["source"].str[-1].astype(float) + rows["mapping"].map(
        {"affine": 0.10, "linear": 0.13, "identity": 0.5}
    )
    rows["mse_stitched_val"] = rows["mse_stitched"]
    found = report(tables).more["differences"]
    assert set(found["best"]) == {"affine"}
    linear = found[found["mapping"] == "linear"]
    assert linear["mean"].tolist() == pytest.approx([0.03] * 3)
    assert (linear["high"] - linear["low"]).max() < 1e-9
    wide = report(tables).more["selected"]
    assert (wide["mse_stitched_high"] - wide["mse_stitched_low"]).min() > 1
    two = report(with_val(made(pairs=SEEDED[:1] + SEEDED[3:4]))).more["differences"]
    assert two["low"].isna().all(), "of two models there is no interval"
