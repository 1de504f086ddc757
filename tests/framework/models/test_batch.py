import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from framework.errors import InvalidInput
from framework.models.batch import (
    as_classes,
    as_inputs,
    call,
    chosen,
    count,
    in_precision,
    joined,
    mapped,
    names_of,
    pieces,
    tensors,
)


class Sums(nn.Module):
    def forward(self, first, second=None, *, third=None):
        return first + (0 if second is None else second) + (0 if third is None else third)


def test_what_is_given_is_what_is_called():
    one = torch.ones(4, 2)
    assert torch.equal(call(Sums(), one), one)
    assert torch.equal(call(Sums(), (one, 2 * one)), 3 * one)
    assert torch.equal(call(Sums(), {"third": 3 * one, "first": one}), 4 * one)
    assert names_of(Sums(), (one, one)) == ["first", "second"]
    assert names_of(Sums(), {"third": one, "first": one}) == ["third", "first"]


def test_inputs_are_cut_along_the_first_axis_and_what_belongs_to_all_stays_whole():
    given = (torch.arange(5), torch.arange(10).reshape(5, 2), torch.eye(3))
    assert count(given) == 5
    cut = [tensors(piece) for piece in pieces(given, 2)]
    assert [len(piece[0]) for piece in cut] == [2, 2, 1]
    assert torch.equal(torch.cat([piece[1] for piece in cut]), given[1])
    assert all(torch.equal(piece[2], given[2]) for piece in cut)
    assert tensors(chosen(given, torch.tensor([3, 1])))[0].tolist() == [3, 1]


def test_precision_is_for_numbers_and_not_for_tokens():
    changed = in_precision({"ids": torch.arange(3), "x": torch.ones(3)}, torch.empty(0, dtype=torch.float64))
    assert [part.dtype for part in tensors(changed)] == [torch.int64, torch.float64]
    assert isinstance(mapped([torch.ones(2)], torch.neg), tuple)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "is a list; allowed"),
        ({1: torch.ones(2)}, "is a dict of Tensor; allowed"),
        ((torch.ones(2), None), "is a tuple of NoneType, Tensor; allowed"),
        (torch.tensor(1.0), r"has shape \(\); at least one"),
    ],
)
def test_what_holds_no_tensors_is_refused(given, says):
    with pytest.raises(InvalidInput, match=says):
        as_inputs(given)


def test_arrays_are_taken_for_tensors():
    given = as_inputs({"x": np.ones((3, 2), np.float32), "ids": torch.arange(3)})
    assert [part.dtype for part in tensors(given)] == [torch.float32, torch.int64]
    assert torch.equal(as_inputs(np.arange(4)), torch.arange(4))
    assert torch.equal(as_classes(np.array([1, 0]), 2), torch.tensor([1, 0]))


def test_of_a_loader_is_told_what_to_give():
    loader = DataLoader(TensorDataset(torch.ones(4, 2), torch.zeros(4)), batch_size=2)
    with pytest.raises(InvalidInput, match=r"is a DataLoader; .* torch\.cat"):
        as_inputs(loader)


@pytest.mark.parametrize(
    "given", [None, [0, 1], torch.zeros(2), torch.zeros(3, dtype=torch.int64), np.array(["a"])]
)
def test_classes_are_one_for_each_input(given):
    with pytest.raises(InvalidInput, match=r"labels: is .* for 2 inputs; allowed: a class for each"):
        as_classes(given, 2)


def test_batches_are_joined_and_what_belongs_to_all_stays_whole():
    mask = torch.eye(3)
    whole = joined([(torch.arange(2), mask), (torch.arange(4), mask)])
    assert [tuple(part.shape) for part in tensors(whole)] == [(6,), (3, 3)]
    named = joined([{"x": torch.zeros(1, 2)}, {"x": torch.ones(2, 2)}])
    assert named["x"].tolist() == [[0, 0], [1, 1], [1, 1]]
