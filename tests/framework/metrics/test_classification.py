import math

import pytest
import torch

from framework.metrics.classification import (
    ACCURACY,
    AGREEMENT,
    CROSS_ENTROPY,
    accuracy,
    agreement,
    cross_entropy_per_image,
)


def test_cross_entropy_is_minus_the_log_of_the_classs_share():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [1.0, 4.0]])
    found = cross_entropy_per_image(logits, torch.tensor([0, 0, 1]))
    assert found.tolist() == pytest.approx([math.log(2), math.log(4 / 3), math.log(1 + math.exp(-3))])


def test_accuracy_and_agreement_are_shares():
    first, second = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])
    assert accuracy(first, torch.tensor([0, 0, 2, 1])) == 0.5
    assert agreement(first, second) == agreement(second, first) == 0.75
    assert math.isnan(accuracy(torch.tensor([]), torch.tensor([])))


def test_the_metrics_declare_what_they_are():
    assert (CROSS_ENTROPY.better, CROSS_ENTROPY.unit) == ("lower", "nats")
    assert ACCURACY.better == AGREEMENT.better == "higher"
