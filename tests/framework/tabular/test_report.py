"""The report over made-up runs whose numbers are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.tabular.config import TabularConfig
from framework.errors import SashikoError
from framework.report.report import Answer
from framework.tabular.report import report
from framework.tracking.results import factors_of

ACCURACY = {"dummy": [0.5, 0.5, 0.6, 0.4], "mlp": [0.9, 0.8, 1.0, 0.7], "linear": [0.6, 0.4, 0.6, 0.5]}
R2 = {"dummy": [0.0, -0.1, 0.0, 0.1], "mlp": [0.5, 0.4, 0.6, 0.5]}


def made():
    rows = []
    points = [("iris", kind, s, {"test/accuracy": v}) for kind, vs in ACCURACY.items() for s, v in enumerate(vs)]
    points += [
        ("diabetes", kind, seed, {"test/r2": value, "test/rmse": 1 - value})
        for kind, values in R2.items()
        for seed, value in enumerate(values)
    ]
    for table, kind, seed, scored in points:
        config = TabularConfig.parse({"data": {"name": table}, "model": kind, "seed": seed})
        task = "classification" if table == "iris" else "regression"
        rows.append({"run_id": f"r{len(rows)}", "state": "finished", **factors_of(config), "task": task, **scored})
    runs = pd.DataFrame(rows)
    named = ("data.name", "model.kind", "model.hidden", "seed")
    factors = [name for name in named if name in runs and runs[name].map(repr).nunique() > 1]
    factors = [name for name in factors if name != "model.hidden"]
    return SimpleNamespace(runs=runs, factors=factors, config=TabularConfig, tables={})


def test_means_and_intervals_are_those_of_t_over_seeds():
    table = report(made()).table
    row = table[(table["data"] == "iris") & (table["model"] == "mlp")].iloc[0]
    values = np.array(ACCURACY["mlp"])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((values.mean(), low, high))
    gains = values - np.array(ACCURACY["dummy"])
    low, high = stats.t.interval(0.95, 3, gains.mean(), stats.sem(gains))
    assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx((gains.mean(), low, high))
    assert row["n"] == 4
    assert table["model"].tolist()[:3] == ["dummy", "linear", "mlp"]


def test_a_gain_is_better_whichever_way_is_better():
    table = report(made()).table
    row = table[(table["metric"] == "rmse") & (table["model"] == "mlp")].iloc[0]
    assert row["gain"] == pytest.approx(np.mean(np.array(R2["mlp"]) - np.array(R2["dummy"])))


def test_the_answer_says_who_is_best_and_who_may_be_no_better_than_the_dummy():
    answer = report(made()).answer()
    assert answer.table["model"].tolist() == ["dummy", "linear", "mlp"]
    assert answer.table["iris"].tolist()[2].startswith("0.850 ± ")
    assert answer.table["iris"].tolist()[2].endswith("*")
    assert answer.table["diabetes"].tolist()[1] == "-"
    text = "\n".join(answer.caption)
    assert "of diabetes R²" in text
    assert "Not surely better than the dummy: linear on iris." in text
    assert all(len(line) <= Answer.COLUMNS for line in answer.caption)


def test_what_is_left_of_the_error_is_taken_seed_by_seed(tmp_path):
    found = report(made())
    left = found.more["error_left"]
    own = left[(left["data"] == "iris") & (left["model"] == "mlp")]["left"]
    expected = (1 - np.array(ACCURACY["mlp"])) / (1 - np.array(ACCURACY["dummy"]))
    assert own.tolist() == pytest.approx(expected)
    assert {path.name for path in found.save(tmp_path)} == {
        *("table.csv", "error_left.csv", "error_left.png", "error_left.pdf", "scores.png", "scores.pdf")
    }


def test_runs_without_a_dummy_have_no_gain_and_no_figure():
    results = made()
    results.runs = results.runs[results.runs["model.kind"] != "dummy"].reset_index(drop=True)
    found = report(results)
    assert found.table["gain"].isna().all()
    assert set(found.figures) == {"scores"}
    assert found.readable()["gain"].tolist() == ["-"] * 3


def test_the_scores_are_printed_a_model_a_row_a_table_a_column():
    axes = report(made()).figures["scores"]().axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["dummy", "linear", "mlp"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["iris", "diabetes"]
    assert axes.texts[0].get_text() == f"{np.mean(ACCURACY['dummy']):.3f}"
    assert len(axes.texts) == 5, "no number of linear on diabetes"


def test_a_single_seed_has_no_interval():
    results = made()
    results.runs = results.runs[results.runs["seed"] == 0].reset_index(drop=True)
    assert report(results).readable()["mean"].tolist() == ["0.500", "0.600", "0.900", "0.000", "0.500"]


def test_whatever_else_was_swept_is_told_apart():
    results = made()
    other = results.runs[results.runs["model.kind"] == "mlp"].assign(**{"model.hidden": [(9,)] * 8})
    results.runs = pd.concat([results.runs, other], ignore_index=True)
    results.factors = [*results.factors, "model.hidden"]
    models = report(results).table["model"].unique().tolist()
    assert models == ["dummy", "linear", "mlp, hidden=[64,64]", "mlp, hidden=[9]"]


def test_nothing_finished_is_told():
    results = made()
    results.runs = results.runs.assign(state="failed")
    with pytest.raises(SashikoError, match="no finished run"):
        report(results)
