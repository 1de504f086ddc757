"""The squared error, a number a sample, as it is written."""

import pytest
import torch
from torch import nn

from framework.tabular.config import Linear
from framework.training.regressor import RegressorTraining


class Sum(nn.Module):
    def forward(self, inputs):
        return inputs.sum(dim=1)


def test_the_error_is_that_of_each_sample_and_the_loss_their_mean():
    module = RegressorTraining(Sum(), Linear())
    batch = [torch.tensor([[1.0, 2.0], [0.0, 1.0], [4.0, 0.0]]), torch.tensor([3.0, 3.0, 1.0])]
    step = module.training_step(batch, 0)
    assert step["mse"].tolist() == [0.0, 4.0, 9.0]
    assert float(step["loss"]) == pytest.approx(13 / 3)
    assert module.validation_step(batch, 0)["mse"].tolist() == [0.0, 4.0, 9.0]
    assert module.error in step
