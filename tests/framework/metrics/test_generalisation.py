import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.data.vision import ImageSet
from framework.errors import InvalidInput
from framework.metrics.generalisation import CROSS_ENTROPY_GAP, GENERALISATION_GAP, INVERSE_GAP, Score, gaps, score
from tests.framework.metrics.networks import convolutional, numbers


def test_scores_are_means_over_all_images_in_eval_mode():
    model = nn.Sequential(convolutional(), nn.Dropout(0.5)).train()
    model[1].eval()
    images = torch.randn(1100, 1, 8, 8, generator=numbers(0), dtype=torch.float64)
    labels = torch.randint(0, 4, (1100,), generator=numbers(1))
    found = score(model, ImageSet(images, labels, torch.arange(1100)))
    assert model.training
    assert not model[1].training
    with torch.no_grad():
        logits = model.eval()(images)
    assert found.accuracy == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    assert found.cross_entropy == pytest.approx(float(F.cross_entropy(logits, labels)))


def test_gaps_of_hand_made_scores():
    found = gaps(Score(0.9, 0.2), Score(0.65, 0.7))
    assert found.generalisation_gap == pytest.approx(0.25)
    assert found.cross_entropy_gap == pytest.approx(0.5)
    assert found.inverse_gap == pytest.approx(4)
    assert gaps(Score(0.5, 1), Score(0.75, 1)).inverse_gap == 4
    assert gaps(Score(0.5, 1), Score(0.75, 1)).generalisation_gap == -0.25


def test_no_gap_has_no_inverse():
    found = gaps(Score(1.0, 0.0), Score(1.0, 0.0))
    assert found.generalisation_gap == found.cross_entropy_gap == 0
    assert math.isnan(found.inverse_gap)


def test_a_split_without_images_is_refused():
    nothing = ImageSet(torch.zeros(0, 1, 8, 8), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    with pytest.raises(InvalidInput, match="has no images"):
        score(convolutional(), nothing)


def test_the_metrics_declare_what_they_are():
    assert GENERALISATION_GAP.better == CROSS_ENTROPY_GAP.better == "lower"
    assert INVERSE_GAP.better == "higher"
    assert "NaN" in INVERSE_GAP.unit
