import pytest
import torch
import torch.nn.functional as F
from lightly.utils.benchmarking import knn_predict
from sklearn.neighbors import KNeighborsClassifier

from framework.errors import InvalidInput
from framework.ssl.evaluation.knn import knn_scores
from tests.framework.ssl.evaluation.conftest import blobs
from tests.second_device import DEVICE, SecondDevice

BANK, TESTED = blobs(900), blobs(150, seed=1)


def scores(**options):
    return knn_scores(TESTED.features, BANK.features, BANK.labels, 4, **options)


def slow(k, temperature):
    """Equation (1), by loops."""
    found = torch.zeros(len(TESTED), 4)
    for q, query in enumerate(TESTED.features):
        cosines = F.cosine_similarity(query[None], BANK.features)
        for i in cosines.argsort(descending=True)[:k]:
            found[q, BANK.labels[i]] += (cosines[i] / temperature).exp()
    return found / found.sum(dim=1, keepdim=True)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (20, 0.07), (50, 1.0)])
def test_scores_are_equation_1(k, temperature):
    torch.testing.assert_close(scores(k=k, temperature=temperature), slow(k, temperature), rtol=1e-4, atol=1e-6)


def test_predictions_are_those_of_lightly():
    queries, bank = F.normalize(TESTED.features, dim=1), F.normalize(BANK.features, dim=1)
    expected = knn_predict(queries, bank.t(), BANK.labels, 4, knn_k=200, knn_t=0.1)
    assert torch.equal(scores().argsort(dim=1, descending=True), expected)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_plain_vote_is_that_of_scikit_learn(k):
    """Which takes the lowest of the classes with as many votes, too."""
    other = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(BANK.features, BANK.labels)
    found = scores(k=k, weights="uniform")
    torch.testing.assert_close(found.double(), torch.from_numpy(other.predict_proba(TESTED.features)))
    assert (found.argmax(dim=1).numpy() == other.predict(TESTED.features)).all()


@pytest.mark.parametrize("temperature", [1e-4, 0.1, 1e4])
def test_no_temperature_overflows(temperature):
    found = scores(temperature=temperature)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(found)))


def test_the_scale_of_features_does_not_matter():
    found = knn_scores(3 * TESTED.features, 1e-3 * BANK.features, BANK.labels, 4)
    torch.testing.assert_close(found, scores(), rtol=1e-4, atol=1e-5)


def test_a_class_without_an_image_has_no_vote():
    found = knn_scores(TESTED.features, BANK.features, BANK.labels, 6)
    assert found.shape == (150, 6)
    assert (found[:, 4:] == 0).all()


def test_on_a_second_device():
    with SecondDevice():
        there = [tensor.to(DEVICE) for tensor in (TESTED.features, BANK.features, BANK.labels)]
        found = knn_scores(*there, 4)
        assert found.device == DEVICE
        torch.testing.assert_close(found.cpu(), scores())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"k": 901}, r"k: is 901, and the bank has 900 rows"),
        ({"temperature": 0}, r"temperature: is 0; allowed: a number above 0"),
        ({"weights": "distances"}, r"weights: is 'distances'; allowed: distance, uniform"),
        ({"indices_Q": torch.arange(150), "indices_N": torch.arange(149, 1049)}, r"1 of the 150 images"),
    ],
)
def test_what_cannot_be_used(options, told):
    with pytest.raises(InvalidInput, match=told):
        scores(**options)


def test_labels_that_are_none():
    with pytest.raises(InvalidInput, match=r"labels: are 0 to 3; allowed: 0 to 2"):
        knn_scores(TESTED.features, BANK.features, BANK.labels, 3)
    with pytest.raises(InvalidInput, match=r"labels: has the shape \(899,\)"):
        knn_scores(TESTED.features, BANK.features, BANK.labels[1:], 4)
