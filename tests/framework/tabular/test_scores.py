"""Scores against their formulas, written out, and scikit-learn's."""

import math

import numpy as np
import pytest
from sklearn import metrics

from framework.data.tabular.loading import Part, TableData
from framework.tabular.scores import METRICS, class_scores, predictions, scores

Y = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
SAID = np.array([0, 0, 0, 0, 1, 2, 1, 0, 2, 2])


def part(y):
    return Part(np.zeros((len(y), 1)), np.asarray(y), np.arange(100, 100 + len(y)))


def table(y, classes=()):
    one = part(y)
    task = "classification" if classes else "regression"
    return TableData("made", task, "y", ("x",), tuple(classes), "", one, one, one)


def probabilities(said, number, sure=0.8):
    found = np.full((len(said), number), (1 - sure) / (number - 1))
    found[np.arange(len(said)), said] = sure
    return found


def test_scores_of_classes_by_hand():
    found = scores(probabilities(SAID, 3), part(Y), table(Y, "abc"))
    assert found["accuracy"] == pytest.approx(7 / 10)
    assert found["balanced_accuracy"] == pytest.approx((4 / 6 + 1 / 2 + 1) / 3)
    f1 = [2 * 4 / (6 + 5), 2 * 1 / (2 + 2), 2 * 2 / (2 + 3)]  # twice the hits, over rows and times said
    assert found["macro_f1"] == pytest.approx(np.mean(f1))
    assert found["log_loss"] == pytest.approx(-(7 * math.log(0.8) + 3 * math.log(0.1)) / 10)
    assert "roc_auc" not in found


def test_scores_of_classes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
    found, said = scores(p, part(y), table(y, "abcd")), p.argmax(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, said),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, said),
            "macro_f1": metrics.f1_score(y, said, average="macro"),
            "log_loss": metrics.log_loss(y, p),
        }
    )


def test_the_area_is_the_share_of_pairs_in_order():
    y, of_second = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.4, 0.6, 0.4, 0.9])
    found = scores(np.stack([1 - of_second, of_second], axis=1), part(y), table(y, "ab"))
    pairs = [np.sign(one - other) / 2 + 0.5 for one in (0.4, 0.9) for other in (0.1, 0.4, 0.6)]
    assert found["roc_auc"] == pytest.approx(np.mean(pairs))
    one_class = scores(np.full((3, 2), 0.5), part([1, 1, 1]), table([1, 1, 1], "ab"))
    assert "roc_auc" not in one_class


def test_scores_of_numbers_by_hand():
    y, said = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 1.0, 5.0, 6.0])
    found = scores(said, part(y), table(y))
    assert found["rmse"] == pytest.approx(math.sqrt(5 / 4))
    assert found["mae"] == pytest.approx(3 / 4)
    assert found["r2"] == pytest.approx(1 - 5 / (4 + 1 + 0 + 9))
    assert set(scores(said[:1], part(y[:1]), table(y))) == {"rmse", "mae"}


def test_every_score_has_a_metric():
    y = [0, 1, 1, 0]
    found = scores(probabilities(np.array(y), 2), part(y), table(y, "ab")) | scores(np.ones(4), part(y), table(y))
    assert set(found) == set(METRICS)


def test_the_tables_tell_of_classes_and_of_rows():
    data, predicted = table(Y, "abc"), probabilities(SAID, 3)
    told = class_scores(dict.fromkeys(("train", "val", "test"), predicted), data)
    row = told[(told["split"] == "test") & (told["class"] == "a")].iloc[0]
    assert (row["precision"], row["recall"], row["rows"]) == (4 / 5, 4 / 6, 6)
    rows = predictions(predicted, data.test, data)
    assert rows["row"].tolist() == list(range(100, 110))
    assert "".join(rows["truth"]) == "aaaaaabbcc"
    assert "".join(rows["prediction"]) == "aaaabcbacc"
    assert rows["probability"].tolist() == pytest.approx([0.8] * 10)
    assert predictions(np.ones(10), data.test, table(Y))["prediction"].tolist() == [1.0] * 10
