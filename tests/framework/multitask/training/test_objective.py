"""Losses and penalty against sums written by hand."""

import pytest
import torch

from framework.multitask.data.config import FunctionData
from framework.multitask.data.samples import samples_of
from framework.multitask.training.config import Learning
from framework.multitask.training.objective import Objective, penalty

SAMPLES = list(samples_of(FunctionData(), 0).values())


def case(**learning):
    torch.manual_seed(0)
    predicted = torch.randn(3, 10, 7)
    labels, tasks = torch.randn(3, 10, 7), torch.randint(0, 2, (3, 10))
    return Objective(SAMPLES, Learning.parse(learning), 7), predicted, labels, tasks


def test_a_task_sums_the_squares_of_what_it_sees():
    objective, predicted, labels, tasks = case()
    found = objective.losses(predicted, labels, tasks)
    for member in range(3):
        for place, outputs in enumerate(([0], [1, 2, 3, 4, 5, 6])):
            rows = tasks[member] == place
            expected = (predicted - labels)[member][rows][:, outputs].square().sum()
            assert float(found[member, place]) == pytest.approx(float(expected), rel=1e-5)


def test_means_are_over_samples_and_outputs():
    objective, predicted, labels, tasks = case(reduction={"task_0": "sum", "task_1": "mean"})
    found = objective.losses(predicted, labels, tasks)
    rows = tasks[0] == 1
    expected = (predicted - labels)[0][rows][:, 1:].square().mean()
    assert float(found[0, 1]) == pytest.approx(float(expected), rel=1e-5)
    sums, _, _, _ = case()
    assert torch.allclose(found[:, 0], sums.losses(predicted, labels, tasks)[:, 0])
    total = objective.total(found[:, 1], (tasks == 1).sum(dim=1), 1)
    assert torch.allclose(total, sums.losses(predicted, labels, tasks)[:, 1], rtol=1e-5)


def test_outputs_that_a_task_does_not_see_have_no_gradient():
    objective, predicted, labels, tasks = case()
    predicted.requires_grad_()
    (gradient,) = torch.autograd.grad(objective.losses(predicted, labels, tasks)[:, 0].sum(), predicted)
    assert float(gradient[:, :, 1:].abs().max()) == 0
    assert float(gradient[tasks == 1].abs().max()) == 0
    assert float(gradient[tasks == 0][:, 0].abs().min()) > 0


def test_each_task_has_its_criterion():
    objective, predicted, labels, tasks = case(criterion={"task_0": "absolute_error", "task_1": "huber"})
    found, difference = objective.losses(predicted, labels, tasks), (predicted - labels)[1]
    rows = tasks[1] == 0
    assert float(found[1, 0]) == pytest.approx(float(difference[rows][:, 0].abs().sum()), rel=1e-5)
    d = difference[~rows][:, 1:].abs()
    huber = torch.where(d < 1, d**2 / 2, d - 0.5).sum()
    assert float(found[1, 1]) == pytest.approx(float(huber), rel=1e-5)


def test_a_task_without_samples_has_no_loss():
    objective, predicted, labels, _ = case(reduction="mean")
    found = objective.losses(predicted, labels, torch.zeros(3, 10, dtype=torch.long))
    assert found[:, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0])
def test_the_penalty_is_a_sum_of_squared_norms_by_member(order: float):
    torch.manual_seed(0)
    weights = [torch.randn(2, 3, 4), torch.randn(2, 5)]
    found = penalty(weights, torch.tensor([0.5, 0.0]), order)
    by_hand = 0.5 * sum((weight[0].abs() ** order).sum() ** (2 / order) for weight in weights)
    assert found.tolist() == pytest.approx([float(by_hand), 0.0], rel=1e-5)


def test_the_penalty_of_nothing_has_a_gradient():
    weight = torch.zeros(1, 3, requires_grad=True)
    penalty([weight], torch.ones(1), 2.0).sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() == 0
