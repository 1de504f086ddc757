import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from framework.data.vision import ImageSet, Splits
from framework.errors import InvalidInput
from framework.metrics.data_of import batches_of, device_of, images_of, is_loader, splits_of
from tests.framework.metrics.networks import batches_of as made
from tests.framework.metrics.networks import dense

MODEL = dense()  # of double precision
INPUTS, LABELS = (torch.cat(tensors) for tensors in zip(*made((1, 2, 3), (70, 30)), strict=True))
FORMS = {
    "tensors": (INPUTS, LABELS),
    "arrays": (INPUTS.numpy(), LABELS.numpy()),
    "list": [INPUTS, LABELS.int()],
    "loader": DataLoader(TensorDataset(INPUTS, LABELS), batch_size=16),
    "batches": list(zip(INPUTS.split(50), LABELS.split(50), strict=True)),
    "images": ImageSet(INPUTS, LABELS, torch.arange(100)),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_set(data):
    found = images_of(MODEL, data, 50)
    assert torch.equal(found.images, INPUTS)
    assert torch.equal(found.labels, LABELS)
    assert found.labels.dtype == torch.int64


def test_a_data_set_is_drawn_from_in_an_order_that_stays():
    data = TensorDataset(INPUTS, LABELS)
    one, other = (images_of(MODEL, data, 50) for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert not torch.equal(one.images, INPUTS)
    assert sorted(one.images.sum(dim=(1, 2, 3)).tolist()) == sorted(INPUTS.sum(dim=(1, 2, 3)).tolist())


def test_a_loader_is_read_as_it_comes_and_no_further():
    def endless():
        while True:
            yield INPUTS[:8], LABELS[:8]

    found = list(batches_of(MODEL, endless(), 3))
    assert [len(labels) for _, labels in found] == [8, 8, 8]
    assert is_loader(endless())
    assert [is_loader(form) for form in FORMS.values()] == [False, False, False, True, True, False]


def test_inputs_come_into_the_precision_of_the_model():
    half = images_of(dense().float(), (INPUTS, LABELS), 1)
    assert half.images.dtype == torch.float32
    assert images_of(MODEL, (INPUTS.to(torch.float16), LABELS), 1).images.dtype == torch.float64
    tokens = torch.arange(100).reshape(100, 1)
    assert images_of(MODEL, (tokens, LABELS), 1).images.dtype == torch.int64
    assert device_of(MODEL).type == device_of(torch.nn.ReLU()).type == "cpu"


def test_splits_stay_as_they_are_and_others_have_the_test_images_that_are_given():
    one = torch.ones(1)
    splits = Splits("name", *(FORMS["images"] for _ in range(3)), one, one, "unit")
    assert splits_of(MODEL, splits, None, 5) is splits
    with pytest.raises(InvalidInput, match="test: is given beside splits"):
        splits_of(MODEL, splits, FORMS["arrays"], 5)
    assert len(splits_of(MODEL, FORMS["loader"], None, 2).train) == 32
    assert len(splits_of(MODEL, FORMS["loader"], None, 2).test) == 0
    assert len(splits_of(MODEL, FORMS["arrays"], FORMS["loader"], 2).test) == 32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "data: is a int; allowed: .inputs, labels., a DataLoader"),
        (INPUTS, "data: is a Tensor; allowed"),
        ({"x": INPUTS}, "data: is a dict; allowed"),
        ([], "data: has no batch"),
        ([(INPUTS, LABELS), INPUTS], r"data\[1\]: is a Tensor; allowed: .inputs, labels."),
        ([(INPUTS, LABELS, LABELS)], r"data\[0\]: is a tuple of 3"),
        ((INPUTS, LABELS[:-1]), r"data: has inputs \(100, 1, 2, 3\) and labels \(99,\)"),
        ((INPUTS, LABELS.float()), r"data: has labels \(100,\) of float32; allowed: classes"),
        ((INPUTS, LABELS[:, None]), r"data: has labels \(100, 1\) of int64"),
        ((INPUTS[:0], LABELS[:0]), "allowed: as many, 1 or more"),
    ],
)
def test_what_is_no_data_is_refused(data, message):
    with pytest.raises(InvalidInput, match=message):
        images_of(MODEL, data, 50)


def test_no_batches_are_refused():
    with pytest.raises(InvalidInput, match="batches: is 0; allowed: 1 or more"):
        images_of(MODEL, FORMS["loader"], 0)
