import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from framework.errors import InvalidInput
from framework.metrics.correlation import COLUMNS, METHODS, correlation, correlations, interval

SCIPY = {"kendall": stats.kendalltau, "pearson": stats.pearsonr, "spearman": stats.spearmanr}


def pair(count, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    return x, 0.5 * x + rng.normal(size=count)


def tidy(metrics, families=("parent", "fused"), seeds=range(6)):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"seed": seed, "family": family, "metric": metric, "value": rng.normal()}
            for seed, family, metric in itertools.product(seeds, families, metrics)
        ]
    )


@pytest.mark.parametrize("count", [3, 4, 5, 12, 60])
@pytest.mark.parametrize("method", METHODS)
def test_coefficient_and_p_value_are_scipys(method, count):
    x, y = pair(count)
    found, expected = correlation(method, x, y), SCIPY[method](x, y)
    assert found.coefficient == pytest.approx(expected.statistic, abs=1e-12)
    if method != "spearman" or count > 8:
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12, nan_ok=True)
    assert (found.n, found.defined) == (count, True)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_spearmans_p_value_of_few_is_that_of_all_orders(count, ties):
    x, y = pair(count, seed=count)
    x = np.round(x) if ties else x
    expected = stats.permutation_test(
        (x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings", n_resamples=10_000
    )
    assert correlation("spearman", x, y).p_value == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize("y", [[2.1, 2.2, 2.5, 2.9, 3.1], [3.1, 2.9, 2.5, 2.2, 2.1]])
def test_five_in_one_order_are_no_proof(y):
    found = correlation("spearman", [0.1, 0.2, 0.3, 0.4, 0.7], y)
    assert abs(found.coefficient) == 1
    assert found.p_value == pytest.approx(2 / 120)
    assert math.isnan(found.ci_low)
    assert math.isnan(found.ci_high)


@pytest.mark.parametrize("count", [4, 5, 30])
def test_pearsons_interval_is_scipys(count):
    x, y = pair(count)
    found, expected = correlation("pearson", x, y), stats.pearsonr(x, y).confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high))


def test_intervals_cover_what_they_say():
    """95 % of them, of samples of 20 from a normal distribution with a known coefficient; 400 give ± 2.2 %."""
    rng = np.random.default_rng(1)
    rho = 0.6
    known = {"pearson": rho, "spearman": 6 / math.pi * math.asin(rho / 2), "kendall": 2 / math.pi * math.asin(rho)}
    for method, true in known.items():
        covered = 0
        for _ in range(400):
            x, noise = rng.normal(size=(2, 20))
            found = correlation(method, x, rho * x + math.sqrt(1 - rho**2) * noise)
            covered += found.ci_low <= true <= found.ci_high
        assert 0.91 < covered / 400 < 0.99


def test_an_interval_by_hand():
    low, high = interval("spearman", 0.5, 12)
    margin = 1.959964 * math.sqrt(1.125 / 9)
    assert math.atanh(low) == pytest.approx(math.atanh(0.5) - margin, abs=1e-6)
    assert math.atanh(high) == pytest.approx(math.atanh(0.5) + margin, abs=1e-6)
    assert math.atanh(interval("kendall", 0.0, 41)[1]) == pytest.approx(1.959964 * math.sqrt(0.437 / 37), abs=1e-6)


@pytest.mark.parametrize(("method", "count"), [("pearson", 3), ("spearman", 3), ("kendall", 4)])
def test_too_few_networks_have_no_interval(method, count):
    assert all(map(math.isnan, interval(method, 0.5, count)))
    assert not any(map(math.isnan, interval(method, 0.5, count + 1)))


@pytest.mark.parametrize("method", METHODS)
def test_a_perfect_coefficient_has_no_interval(method):
    found = correlation(method, [1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12])
    assert found.coefficient == pytest.approx(1)
    assert found.defined
    if found.coefficient == 1:  # rounding may leave r a little less
        assert math.isnan(found.ci_low)


@pytest.mark.parametrize("method", METHODS)
def test_of_two_networks_every_coefficient_would_be_one_so_there_is_none(method):
    with pytest.raises(InvalidInput, match="2 networks; a correlation needs 3 or more"):
        correlation(method, [1.0, 2.0], [5.0, 3.0])
    assert not correlation(method, [1.0, 2.0, math.nan], [5.0, 3.0, 4.0]).defined


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("x", [[3.0] * 5, [math.nan] * 5, [1.0, math.nan, math.inf, math.nan, math.nan]])
def test_constant_and_missing_metrics_are_undefined(method, x):
    for first, second in ((x, [1.0, 2, 3, 4, 5]), ([1.0, 2, 3, 4, 5], x)):
        found = correlation(method, first, second)
        assert not found.defined
        assert all(map(math.isnan, (found.coefficient, found.p_value, found.ci_low, found.ci_high)))


def test_numbers_that_are_not_finite_are_left_out_and_counted():
    x, y = pair(8)
    holes = np.append(x, [math.nan, 1.0]), np.append(y, [1.0, math.inf])
    assert correlation("pearson", *holes) == correlation("pearson", x, y)


def test_bad_vectors_are_refused():
    with pytest.raises(InvalidInput, match="1 network; a correlation needs 3 or more"):
        correlation("pearson", [1.0], [2.0])
    with pytest.raises(InvalidInput, match="2 problems") as caught:
        correlation("cosine", [1.0, 2.0], [1.0])
    assert "'cosine'; allowed: kendall, pearson, spearman" in str(caught.value)


def test_the_table_has_a_row_for_each_family_metric_and_method():
    frame = tidy(["accuracy", "sharpness", "trace"])
    found = correlations(frame)
    assert tuple(found.columns) == COLUMNS
    assert len(found) == 2 * 2 * 3
    row = found[(found.family == "fused") & (found.metric == "trace") & (found.method == "pearson")].iloc[0]
    wide = frame[frame.family == "fused"].pivot(index="seed", columns="metric", values="value")
    expected = stats.pearsonr(wide["trace"], wide["accuracy"])
    assert (row.coefficient, row.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert (row.n, row.against, bool(row.defined)) == (6, "accuracy", True)


def test_rows_in_any_order_are_matched_by_unit():
    frame = tidy(["accuracy", "trace"]).rename(columns={"seed": "run_id"})
    pd.testing.assert_frame_equal(
        correlations(frame, unit="run_id"),
        correlations(frame.iloc[::-1].iloc[::-1], unit="run_id"),
    )
    shuffled = correlations(frame.sample(frac=1, random_state=0), unit="run_id")
    keys = ["family", "metric", "method"]
    merged = shuffled.merge(correlations(frame, unit="run_id"), on=keys)
    assert merged["coefficient_x"].tolist() == pytest.approx(merged["coefficient_y"].tolist())


def test_what_a_unit_or_a_family_lacks_is_left_out():
    frame = tidy(["accuracy", "trace"])
    frame = frame[~((frame.family == "fused") & (frame.metric == "trace") & (frame.seed == 3))]
    frame = frame[~((frame.family == "parent") & (frame.metric == "accuracy"))]
    found = correlations(frame).set_index(["family", "method"])
    assert found.loc[("fused", "pearson"), "n"] == 5
    assert not found.loc[("parent", "pearson"), "defined"]


def test_a_family_with_one_unit_is_undefined_beside_the_others():
    frame = tidy(["accuracy", "trace"])
    frame = frame[(frame.family == "parent") | (frame.seed == 0)]
    found = correlations(frame).set_index(["family", "method"])
    assert found.loc[("fused", "kendall"), "n"] == 1
    assert not found.loc[("fused", "kendall"), "defined"]
    assert found.loc[("parent", "kendall"), "defined"]


def test_other_metrics_of_prediction_space_are_left_out():
    frame = tidy(["accuracy", "inverse_gap", "trace"])
    frame["space"] = np.where(frame["metric"] == "trace", "parameter", "prediction")
    assert set(correlations(frame)["metric"]) == {"trace"}
    assert set(correlations(frame, against="inverse_gap")["against"]) == {"inverse_gap"}


def test_bad_frames_are_refused():
    frame = tidy(["accuracy", "trace"])
    with pytest.raises(InvalidInput, match="family: is no column"):
        correlations(frame.drop(columns="family"))
    with pytest.raises(InvalidInput, match="'loss', which is no metric of the frame; there are: accuracy, trace"):
        correlations(frame, against="loss")
    with pytest.raises(InvalidInput, match="seed: 1 network; a correlation needs 3"):
        correlations(frame[frame["seed"] == 0])
    with pytest.raises(InvalidInput, match="accuracy of parent is there twice for seed 0"):
        correlations(pd.concat([frame, frame]))
