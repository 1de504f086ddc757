import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.models.graph import LENGTHS, Linear, in_eval_mode, plain, trace


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([7, 7, 7], Linear(7, 0)),
        ([2, 3, 5], Linear(0, 1)),
        ([9, 13, 21], Linear(1, 4)),
        ([(2, 4), (3, 4), (5, 4)], (Linear(0, 1), Linear(4, 0))),
        ([[True], [True], [True]], (True,)),
        (["same", "same", "same"], "same"),
        ([None, None, None], None),
    ],
)
def test_a_plain_value_follows_from_the_number_of_images(values, rule):
    assert plain(values) == rule


@pytest.mark.parametrize("values", [[4, 9, 25], [True, True, False], [0.5, 0.5, 0.6], ["a", "a", "b"]])
def test_a_value_that_follows_no_rule_is_refused(values):
    with pytest.raises(ValueError, match="for batches of"):
        plain(values)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.once, self.twice, self.never = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Dropout())

    def forward(self, images):
        rows, width = images.shape[0], images.shape[-1]
        features = self.twice(self.twice(self.once(images.reshape(rows, width))))
        return self.block(features)


def test_every_module_that_runs_once_has_its_node():
    traced = trace(Twice(), (1, 1, 4))
    assert set(traced.outputs) == {"once", "block", "block.0", "block.1"}
    assert traced.outputs["block"] is traced.outputs["block.1"]
    assert traced.values[traced.outputs["once"]] == [(length, 4) for length in LENGTHS]
    assert traced.outputs["once"] in traced.following


def test_tracing_leaves_modes_and_statistics_alone():
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Sequential(nn.Dropout()))
    model[1].eval()
    before = model[0].running_mean.clone()
    with in_eval_mode(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    trace(model, (1, 4, 4))
    assert [module.training for module in model.modules()] == [True, True, False, False]
    assert torch.equal(model[0].running_mean, before)
    assert model[0].num_batches_tracked == 0


def test_images_that_the_module_does_not_take():
    with pytest.raises(InvalidInput, match=r"Twice: does not run on images of shape \(1, 2, 4\)"):
        trace(Twice(), (1, 2, 4))


def test_one_length_is_enough_for_shapes():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    short, whole = trace(module, (3, 4), (2,)), trace(module, (3, 4))
    assert [value[0] for value in short.values.values()] == [value[0] for value in whole.values.values()]
    assert all(len(value) == 1 for value in short.values.values())
