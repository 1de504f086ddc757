"""The report over made-up runs whose means are known, and over real ones."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.ssl.config import SSLConfig
from experiments.ssl.grids import GRIDS
from experiments.ssl.report import report
from framework.errors import SashikoError
from framework.plan import plan
from framework.tracking.results import factors_of
from tests.experiments.ssl.conftest import encoder

ACCURACY = {"simclr": 0.90, "byol": 0.80}


def made(axis="method", values=("simclr", "byol"), replicates=3):
    """Runs of which a method or another field differs, and the seed."""
    configs = []
    for value, seed in itertools.product(values, range(replicates)):
        given = encoder(value if axis == "method" else "simclr", seed=seed)
        if axis != "method":
            given[axis] = value
        configs.append(SSLConfig.parse({"encoder": given}))
    return made_of(configs)


def made_of(configs):
    """Runs whose accuracy follows from method and seed: a hundredth more for each seed."""
    runs, tables = [], {"scores": [], "confusion": [], "diagnoses": []}
    for number, config in enumerate(configs):
        about, seed = {"run_id": f"run{number}"}, config.encoder.seed
        runs.append(about | {"state": "finished"} | factors_of(config))
        right = ACCURACY.get(config.encoder.method.kind, 0.6) + 0.01 * seed
        for model, accuracy in (("encoder", right), ("random", 0.5 + 0.01 * seed)):
            of_model = {"model": model, "dataset": config.encoder.data.name}
            for evaluation, split in itertools.product(("linear", "knn"), ("val", "test")):
                told = {"metric": "accuracy", "top_k": 1, "average": "", "value": accuracy, "n": 10, "note": ""}
                row = of_model | {"evaluation": evaluation, "split": split}
                tables["scores"].append(about | row | told)
            for true, predicted in itertools.product(range(2), range(2)):
                share = accuracy if true == predicted else 1 - accuracy
                row = of_model | {"true": true, "predicted": predicted, "share": share}
                tables["confusion"].append(about | row)
        tables["scores"].append(
            about | {"model": "pretrained", "dataset": "digits", "evaluation": "linear", "split": "test",
                     "metric": "accuracy", "top_k": 1, "average": "", "value": np.nan, "n": 0, "note": "not here"}
        )  # fmt: skip
        for place, measure in itertools.product(
            ("features", "projections"), ("spread", "std_batch", "rankme", "alpha_req", "lidar", "Cor_batch_ik_10")
        ):
            sign = -1 if measure == "alpha_req" else 1
            tables["diagnoses"].append(about | {"place": place, "measure": measure, "value": sign * right, "n": 9})
    frame = pd.DataFrame(runs)
    factors = [name for name in frame if "." in name and frame[name].map(repr).nunique() > 1]
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    return SimpleNamespace(runs=frame, tables=frames, factors=factors, config=SSLConfig)


def row_of(table, **values):
    for name, value in values.items():
        table = table[table[name] == value]
    (found,) = table.to_dict("records")
    return found


def test_means_are_over_seeds_and_baselines_count_once():
    found = report(made())
    row = row_of(found.table, method="simclr")
    assert row["n"] == 3
    assert row["linear_top1_test_mean"] == pytest.approx(0.91)
    assert row["linear_top1_test_std"] == pytest.approx(0.01)
    baseline = row_of(found.table, method="random weights")
    assert baseline["n"] == 3, "one of each seed, though both methods have logged it"
    assert baseline["knn_top1_test_mean"] == pytest.approx(0.51)
    assert list(found.table["method"]) == ["simclr", "byol", "random weights"]
    assert "no pretrained: not here" in found.notes
    assert list(found.readable()["linear top-1 (%)"]) == ["91.00 ± 1.00", "81.00 ± 1.00", "51.00 ± 1.00"]


def test_heads_that_follow_from_the_method_are_no_column():
    assert [name for name in report(made()).table.columns if "predictor" in name or "momentum" in name] == []


def test_a_numeric_factor_is_a_line():
    found = report(made("batch_size", (16, 32, 64), 2))
    assert list(found.table["batch_size"]) == [16, 32, 64, "-"]
    figure = found.figures["accuracy"]()
    assert figure.axes[0].get_xlabel() == "batch size"


def test_baselines_follow_a_factor_that_they_depend_on():
    configs = [
        SSLConfig.parse({"encoder": encoder("simclr", seed=seed, data={"train_fraction": share}, batch_size=32)})
        for share in (0.25, 0.5, 1.0)
        for seed in (0, 1)
    ]
    axes = report(made_of(configs)).figures["accuracy"]().axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "random weights"]
    assert list(line.get_xdata()) == [0.25, 0.5, 1.0]
    assert list(line.get_ydata()) == pytest.approx([50.5] * 3)


def test_diagnostics_are_ranked():
    found = report(made("batch_size", (16, 32, 64), 3))
    taus = found.more["diagnostics"].set_index(["place", "measure"])["tau"]
    assert taus["features", "rankme"] == pytest.approx(1)
    assert taus["features", "alpha_req"] == pytest.approx(-1)
    assert (found.more["diagnostics"]["n"] == 9).all()
    rs = found.more["diagnostics"].set_index(["place", "measure"])["pearson"]
    assert rs["features", "rankme"] == pytest.approx(1)
    assert rs["projections", "alpha_req"] == pytest.approx(-1)
    assert "diagnostics" not in report(made(replicates=1)).more, "two encoders have no order to speak of"


def test_every_figure_is_drawn():
    for results in (made(), made("batch_size", (16, 32, 64), 3)):
        for draw in report(results).figures.values():
            draw().canvas.draw()


def test_the_best_probe_is_on_top():
    panel = report(made()).figures["accuracy"]().axes[0]
    names = [text.get_text() for text in panel.get_yticklabels()]
    dots = [line for line in panel.lines if line.get_markersize() == 4.5 and line.get_marker() == "o"]
    means = [float(line.get_xdata()[0]) for line in dots]
    assert len(names) == len(means)
    assert means == sorted(means, reverse=True)
    assert len(set(means)) > 1
    assert "random weights" in names


def test_a_confusion_matrix_shows_mistakes_alone():
    figure = report(made()).figures["confusion"]()
    shown = np.ma.filled(figure.axes[0].images[0].get_array().astype(float), np.nan)
    assert np.isnan(shown.diagonal()).all()
    assert shown[0, 1] > 0


def test_confusion_is_that_of_encoders():
    row = row_of(report(made()).more["confusion"], method="byol", true=0, predicted=0)
    assert row["share_mean"] == pytest.approx(0.81)


EXPECTED = {
    "ssl": {"method"},
    "ssl_views": {"method", "views", "strategy"},
    "ssl_fraction": {"method", "train_fraction", "distorted_fraction"},
    "ssl_batch": {"method", "batch_size"},
    "ssl_pretrained": {"method", "weights", "start"},
    "ssl_diagnostics": {"method", "learning_rate", "max_epochs"},
    "ssl_stopgrad": {"method", "predictor", "stop_gradient"},
    "ssl_cifar": {"method", "batch_size"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_sweep_has_a_report(name):
    """With a column for what it varies, and no other."""
    work = plan(SSLConfig, GRIDS[name].definition(name, "ssl"))
    found = report(made_of([one.config for one in work]))
    settings = [column for column in found.table if not column.endswith(("_mean", "_std")) and column != "n"]
    assert set(settings) == EXPECTED[name]
    assert not found.readable().isna().any().any()
    found.figures["accuracy"]()


def test_nothing_has_run():
    results = made()
    results.tables = {}
    with pytest.raises(SashikoError, match="table `scores`"):
        report(results)
