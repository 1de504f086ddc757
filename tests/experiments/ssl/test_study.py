import math

import pandas as pd
import pytest
import torch
from sklearn.metrics import precision_score
from sklearn.neighbors import KNeighborsClassifier

from framework.data.vision import load_splits
from framework.ssl.training.artifact import load_encoder
from tests.experiments.compared import compared_by
from tests.experiments.ssl.conftest import point


def features(bench, config, split):
    method = load_encoder(bench.store["encoder", config.encoder.config_id], config.encoder)
    part = getattr(load_splits(config.encoder.data), split)
    with torch.no_grad():
        return method.encode(part.images), part.labels


def value(run, **about):
    rows = run.tables["scores"]
    for name, wanted in about.items():
        rows = rows[rows[name] == wanted]
    (found,) = rows["value"]
    return found


TOP = {"model": "encoder", "metric": "accuracy", "top_k": 1, "split": "test"}


def test_neighbours_against_scikit_learn(bench):
    """With a large temperature all votes weigh the same."""
    config = point(temperature=1e6)
    run = bench.run(config)
    bank, queries = (
        torch.nn.functional.normalize(features(bench, config, split)[0]) for split in ("train", "test")
    )
    labels = features(bench, config, "train")[1]
    judge = KNeighborsClassifier(5).fit(bank.numpy(), labels.numpy())
    accuracy = judge.score(queries.numpy(), features(bench, config, "test")[1].numpy())
    assert value(run, **TOP, evaluation="knn") == pytest.approx(accuracy, abs=0.012)  # ties


def test_the_long_table(finished):
    run, _ = finished
    rows = run.tables["scores"]
    assert set(rows["evaluation"]) == {"linear", "knn", "fine_tune"}
    assert set(rows["split"]) == {"val", "test"}
    assert set(rows["model"]) == {"encoder", "random", "pretrained"}
    assert rows.loc[rows["model"] == "encoder", "value"].between(0, 1).all()
    keys = ["model", "dataset", "evaluation", "split", "metric", "top_k"]
    assert not rows.duplicated(keys).any()
    counts = rows[rows["model"] == "encoder"].groupby(["dataset", "split"])["n"].unique().explode()
    assert counts["digits", "test"] == 360
    assert counts["folder", "test"] == 24


def test_transfer_to_images_of_another_shape(finished):
    run, _ = finished
    assert value(run, **TOP, evaluation="linear", dataset="folder") > 0.6
    own = value(run, **TOP, evaluation="linear", dataset="digits")
    assert compared_by("ssl") in run.summary
    assert run.summary["test/linear_accuracy"] == own


def test_pretrained_weights_that_nobody_has_are_said_to_be_missing(finished):
    rows = finished[0].tables["scores"]
    (missing,) = rows[rows["model"] == "pretrained"].to_dict("records")
    assert math.isnan(missing["value"])
    assert "nobody has published weights" in missing["note"]


def test_confusion_rows_sum_to_one(bench):
    run = bench.run(point(baselines=False))
    rows = run.tables["confusion"]
    assert rows.groupby("true")["share"].sum().to_numpy() == pytest.approx(1)
    assert set(rows["model"]) == {"encoder"}
    right = rows[rows["true"] == rows["predicted"]]["share"].mean()
    average = value(run, **{**TOP, "metric": "class_average"}, evaluation="linear")
    assert right == pytest.approx(average)


def test_precision_is_that_of_scikit_learn(bench):
    run = bench.run(point(baselines=False))
    counts = run.tables["confusion"]
    truth, said = [], []
    sizes = torch.bincount(load_splits(point().encoder.data).test.labels)
    for row in counts.itertuples():
        number = round(row.share * int(sizes[row.true]))
        truth += [row.true] * number
        said += [row.predicted] * number
    found = value(run, **{**TOP, "metric": "precision"}, evaluation="linear")
    assert found == pytest.approx(precision_score(truth, said, average="macro", zero_division=0))


def test_what_else_is_logged(finished):
    run, _ = finished
    assert set(run.tables["diagnoses"]["place"]) == {"features", "projections"}
    assert {"rankme", "alpha_req", "lidar"} <= set(run.tables["diagnoses"]["measure"])
    assert list(run.tables["neighbours"]["query"].unique()) == list(range(6))
    assert "neighbours" in run.figures
    assert 0 <= run.summary["test/linear_accuracy"] <= 1
    assert isinstance(run.tables["scores"], pd.DataFrame)
