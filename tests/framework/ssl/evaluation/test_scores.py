import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_precision, multiclass_recall

from framework.errors import InvalidInput
from framework.ssl.evaluation.scores import confusion, metric_named, predictions, score

N, C = 300, 6
NUMBERS = torch.Generator().manual_seed(0)
LABELS = torch.randint(0, C, (N,), generator=NUMBERS)
SCORES = torch.randn(N, C, generator=NUMBERS) + 1.5 * torch.eye(C)[LABELS]
FOUND = SCORES.argmax(dim=1)


@pytest.mark.parametrize("k", range(1, C))
def test_top_k_accuracy(k):
    expected = metrics.top_k_accuracy_score(LABELS, SCORES, k=k)
    assert score(SCORES, LABELS, top_k=k) == pytest.approx(expected, abs=1e-12)


def test_class_average_is_the_balanced_accuracy():
    expected = metrics.balanced_accuracy_score(LABELS, FOUND)
    assert score(SCORES, LABELS, "class_average") == pytest.approx(expected)
    few = LABELS < 3
    expected = np.mean([(FOUND[label == LABELS] == label).double().mean() for label in range(3)])
    assert score(SCORES[few], LABELS[few], "class_average") == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_precision_and_recall(average):
    expected = metrics.precision_score(LABELS, FOUND, average=average)
    assert score(SCORES, LABELS, "precision", average=average) == pytest.approx(expected)
    expected = metrics.recall_score(LABELS, FOUND, average=average)
    assert score(SCORES, LABELS, "recall", average=average) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("k", [2, 3])
def test_precision_and_recall_of_the_first_k(k, average):
    options = {"num_classes": C, "average": average, "top_k": k}
    expected = multiclass_precision(SCORES, LABELS, **options)
    assert score(SCORES, LABELS, "precision", top_k=k, average=average) == pytest.approx(float(expected))
    expected = multiclass_recall(SCORES, LABELS, **options)
    assert score(SCORES, LABELS, "recall", top_k=k, average=average) == pytest.approx(float(expected))


def test_a_class_that_is_never_predicted_counts_0():
    scores, labels = torch.tensor([[2.0, 1, 0], [2.0, 1, 0], [0, 1, 2.0]]), torch.tensor([0, 1, 2])
    assert score(scores, labels, "precision") == pytest.approx((0.5 + 0 + 1) / 3)


def test_of_equal_scores_the_lowest_class_is_first():
    level = torch.zeros(4, 4)
    assert predictions(level, torch.arange(4)).tolist() == [0, 0, 0, 0]
    assert predictions(level, torch.arange(4), 2).tolist() == [0, 1, 0, 0]
    assert [score(level, torch.arange(4), top_k=k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1]


def test_infinite_scores_are_ordered():
    scores = torch.tensor([[0.0, -torch.inf, 1.0]])
    assert [score(scores, torch.tensor([1]), top_k=k) for k in (1, 2, 3)] == [0, 0, 1]


def test_confusion():
    assert np.array_equal(confusion(SCORES, LABELS, normalise=False), metrics.confusion_matrix(LABELS, FOUND))
    found = confusion(SCORES, LABELS)
    np.testing.assert_allclose(found, metrics.confusion_matrix(LABELS, FOUND, normalize="true"))
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_confusion_of_a_class_without_images():
    there = LABELS != 2
    found = confusion(SCORES[there], LABELS[there])
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(np.delete(found, 2, axis=0).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("name", "meant"), [("Accuracy", "accuracy"), ("acc", "accuracy"), ("balanced-accuracy", "class_average")]
)
def test_names(name, meant):
    assert metric_named(name) == meant


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"metric": "acuracy"}, r"metric: is 'acuracy'; did you mean `accuracy`\?"),
        ({"metric": "auc"}, r"metric: is 'auc'; "),
        ({"top_k": 7}, r"top_k: is 7, and there are 6 classes; allowed: 1 to 6"),
        ({"top_k": 0}, r"top_k: is 0"),
        ({"average": "makro"}, r"average: is 'makro'; did you mean `macro`\?; allowed: macro, micro, weighted"),
    ],
)
def test_what_cannot_be_used(options, told):
    with pytest.raises(InvalidInput, match=told):
        score(SCORES, LABELS, **options)


def test_scores_that_are_none():
    with pytest.raises(InvalidInput, match=r"scores: 300 of 300 rows hold NaN"):
        score(SCORES * torch.nan, LABELS)
    with pytest.raises(InvalidInput, match=r"labels \(299,\)"):
        score(SCORES, LABELS[1:])
    with pytest.raises(InvalidInput, match=r"labels: are 1 to 6; allowed: 0 to 5"):
        score(SCORES, LABELS + 1)
