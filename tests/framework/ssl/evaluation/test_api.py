import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.datasets import load_digits
from torch import nn

import framework.ssl
from framework.data import load_splits
from framework.data.config import DataConfig
from framework.errors import InvalidInput
from framework.ssl import Compare_eval, Eval_finetune, Eval_knn, Eval_linear, Eval_transfer, build
from framework.ssl.config import CONFIGS
from framework.ssl.evaluation import api, comparing, evaluations
from framework.ssl.evaluation.evaluations import class_scores
from framework.ssl.evaluation.tasks import task_of
from framework.ssl.parts import Dense

X, Y = load_digits(return_X_y=True)
FLAT = nn.Flatten()
TASK = task_of("digits")


def dense(seed=0):
    return build(CONFIGS["vicreg"](), (1, 8, 8), seed, Dense(hidden=(32,)))


def test_importable_from_the_package():
    assert framework.ssl.Compare_eval is comparing.Compare_eval
    for name in ("Eval_finetune", "Eval_knn", "Eval_linear", "Eval_transfer"):
        assert name in framework.ssl.__all__
        assert getattr(framework.ssl, name) is getattr(api, name)


def test_a_linear_probe_in_one_line():
    found = Eval_linear(FLAT, "digits")
    assert float(found) == found.value > 0.93
    assert (found.metric, found.top_k, found.split, found.evaluation) == ("accuracy", 1, "test", "linear")
    assert (found.n_train, found.n_val, found.n_test) == (1293, 144, 360)
    assert "top-1 accuracy 0.9" in str(found)
    assert "test split of digits: 1293 train, 144 val, 360 test" in str(found)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("metric", ["precision", "recall"])
def test_metrics_are_those_of_scikit_learn(metric, average):
    scores, _ = class_scores("knn", FLAT, TASK)
    expected = getattr(metrics, f"{metric}_score")(TASK.test.labels, scores.argmax(dim=1), average=average)
    assert float(Eval_knn(FLAT, "digits", metric, average=average)) == pytest.approx(expected)


def test_top_k_grows_to_1():
    found = [float(Eval_knn(FLAT, "digits", top_k=k)) for k in (1, 3, 10)]
    assert found == sorted(found)
    assert found[-1] == 1


def test_options_of_knn():
    near = Eval_knn(FLAT, "digits", k=1)
    assert float(near) > float(Eval_knn(FLAT, "digits", k=1000))
    assert float(Eval_knn(FLAT, "digits", k=1, weights="uniform")) == float(near)
    assert near.note == "k = 1, t = 0.1, bank train"


@pytest.mark.parametrize("evaluate", [Eval_linear, Eval_knn])
def test_data_as_name_splits_or_arrays(evaluate):
    named = evaluate(FLAT, "digits")
    assert float(evaluate(FLAT, load_splits(DataConfig(name="digits")))) == float(named)
    drawn = evaluate(FLAT, (X / 16, Y))
    assert drawn.how == "drawn from (X, y) by class with seed 0: 1293 train, 144 val, 360 test"
    assert float(drawn) == float(evaluate(FLAT, (X / 16, Y)))
    assert float(drawn) == pytest.approx(float(named), abs=0.05)


def test_fine_tuning():
    tuned = Eval_finetune(dense(), "digits", epochs=8)
    assert float(tuned) > 0.5
    assert tuned.note == "8 epochs, seed 0"
    assert float(Eval_finetune(dense(), "digits", epochs=8)) == float(tuned)


@pytest.mark.parametrize("evaluation", ["linear", "knn"])
def test_transfer_to_images_of_another_shape(evaluation):
    images = np.random.default_rng(0).random((300, 3, 12, 10))
    labels = np.arange(300) % 2
    images[labels == 1, :, :, :5] += 2  # bright on the left
    found = Eval_transfer(dense(), (images, labels), evaluation=evaluation, k=20)
    assert found.evaluation == evaluation
    assert float(found) > 0.9


def test_no_test_index_reaches_the_fitting(monkeypatch):
    """What the probe, the bank and the tuning are given, by its indices."""
    given = {"fit_probe": [], "fine_tune": [], "knn_scores": []}
    fit_probe, fine_tune, knn_scores = evaluations.fit_probe, evaluations.fine_tune, evaluations.knn_scores

    def probe(train, val, *rest, **options):
        given["fit_probe"] += [train.indices, val.indices]
        return fit_probe(train, val, *rest, **options)

    def tune(model, train, *rest, **options):
        given["fine_tune"].append(train.indices)
        return fine_tune(model, train, *rest, **options)

    def bank(queries, features, labels, *rest, indices_N, **options):
        given["knn_scores"].append(indices_N)
        return knn_scores(queries, features, labels, *rest, indices_N=indices_N, **options)

    for name, function in (("fit_probe", probe), ("fine_tune", tune), ("knn_scores", bank)):
        monkeypatch.setattr(evaluations, name, function)
    for dataset in ("digits", (X.reshape(-1, 1, 8, 8), Y)):
        task = task_of(dataset)
        Compare_eval([dense()], dataset, evaluations=("linear", "knn", "finetune"), seeds=(0,), epochs=1)
        for found in given.values():
            assert found
            assert not any(bool(torch.isin(indices, task.test.indices).any()) for indices in found)
            found.clear()


def test_a_table_of_models_and_baselines():
    table = Compare_eval({"one": dense(), "two": dense(7)}, "digits", ("accuracy", "recall"), (1, 3), seeds=(0, 1))
    assert len(table) == 2 * (2 + 2 + 1)
    assert list(table["kind"].drop_duplicates()) == ["model", "random", "pretrained"]
    scores = ["top1_accuracy", "top1_recall_macro", "top3_accuracy", "top3_recall_macro"]
    assert set(scores) < set(table.columns)
    there = table[table["kind"] != "pretrained"]
    assert there[scores].notna().all(axis=None)
    one = table[(table["model"] == "one") & (table["evaluation"] == "linear")].iloc[0]
    assert one["top1_accuracy"] == float(Eval_linear(dense(), "digits"))
    assert one["top3_recall_macro"] == float(Eval_linear(dense(), "digits", "recall", 3))
    assert (table["split"] == "test").all()
    assert (table[["n_train", "n_val", "n_test"]] == [1293, 144, 360]).all(axis=None)


def test_untrained_models_score_as_their_baselines():
    """A method before its first step is its backbone with random weights of the same seed."""
    table = Compare_eval({"one": dense(1)}, "digits", evaluations="knn", seeds=(1,))
    assert table["top1_accuracy"][0] == table["top1_accuracy"][1]


def test_what_is_missing_is_told():
    table = Compare_eval([dense()], "digits", evaluations="knn", seeds=(0,))
    row = table[table["kind"] == "pretrained"].iloc[0]
    assert np.isnan(row["top1_accuracy"])
    assert "nobody has published weights of it" in row["note"]
    table = Compare_eval([FLAT], "digits", evaluations="knn")
    assert list(table["model"]) == ["Flatten 0", "baseline, random weights", "baseline, pretrained weights"]
    assert table["note"][1] == "the backbone of these models is not known; tell it by `backbone`"
    table = Compare_eval([FLAT], "digits", evaluations="knn", backbone=Dense(hidden=(16,)), seeds=(3,))
    assert table["top1_accuracy"].notna().tolist() == [True, True, False]


@pytest.mark.parametrize("evaluate", [Eval_linear, Eval_knn, Eval_finetune, Eval_transfer])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"metric": "precison"}, r"metric: is 'precison'; did you mean `precision`\?"),
        ({"top_k": 11}, r"top_k: is 11, and digits has 10 classes; allowed: 1 to 10"),
        ({"average": "median"}, r"average: is 'median'; allowed: macro, micro, weighted"),
    ],
)
def test_words_and_numbers_that_are_none(evaluate, options, told):
    with pytest.raises(InvalidInput, match=told):
        evaluate(FLAT, "digits", **options)


def test_problems_come_together():
    with pytest.raises(InvalidInput) as told:
        Compare_eval([FLAT], "digits", ("acuracy", "recal"), (1, 30), "big", evaluations=("lineer",))
    assert [problem.key for problem in told.value.problems] == [
        "metric",
        "metric",
        "top_k",
        "average",
        "evaluations",
    ]
    with pytest.raises(InvalidInput, match="metrics: is empty"):
        Compare_eval([FLAT], "digits", ())


def test_models_that_are_none():
    with pytest.raises(InvalidInput, match="models: is empty; allowed: one or more modules"):
        Compare_eval([], "digits")
    with pytest.raises(InvalidInput, match="models: a: no torch module"):
        Compare_eval({"a": 1}, "digits")


def test_a_bank_smaller_than_k():
    small = (X[:100], Y[:100] % 3)
    with pytest.raises(InvalidInput, match=r"k: is 200, and the bank has 72 rows"):
        Eval_knn(FLAT, small, k=200)
    whole = Eval_knn(FLAT, small, k=72)
    for found in (Eval_knn(FLAT, small), Eval_transfer(FLAT, small, evaluation="knn")):
        assert found.note == "k = 72, t = 0.1, bank train"
        assert float(found) == float(whole)
    table = Compare_eval([FLAT], small, evaluations="knn")
    assert table["note"][0] == whole.note
    assert table["top1_accuracy"][0] == float(whole)
    assert Eval_knn(FLAT, "digits").note == "k = 200, t = 0.1, bank train"


@pytest.mark.parametrize("seeds", [(), []])
def test_no_seeds_of_baselines(seeds):
    with pytest.raises(InvalidInput, match="seeds: is empty; allowed: one or more"):
        Compare_eval([FLAT], "digits", seeds=seeds)
