import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import fuse, zipit
from framework.metrics import hessian_trace, measure, top_eigenvalue

DATA = (torch.ones(8, 4), torch.arange(8) % 3)
NET = nn.Linear(4, 3)
CALLS = {
    "hessian_trace": lambda given: hessian_trace(given, DATA),
    "top_eigenvalue": lambda given: top_eigenvalue(given, DATA),
    "measure": lambda given: measure(given, DATA),
    "zipit": lambda given: zipit(given, NET, DATA[0]),
    "fuse": lambda given: fuse(given, NET),
}
GIVEN = {
    "is a state dict; give the module that holds it": NET.state_dict(),
    "is a NoneType; allowed: a torch": None,
    "is a DataParallel, which hides the layers inside; give the module inside, `.module`": nn.DataParallel(NET),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("says", GIVEN)
def test_what_is_no_plain_module_is_refused_in_words(call, says):
    with pytest.raises(InvalidInput) as caught:
        CALLS[call](GIVEN[says])
    assert says in str(caught.value)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x, mask):
        return self.last(torch.relu(self.first(x)) * mask)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (torch.ones(4, 4), "missing a required argument: 'mask'"),
        (tuple(torch.ones(4, 4) for _ in range(3)), "too many positional"),
        ({"x": torch.ones(4, 4), "msk": torch.ones(4, 1)}, "missing a required argument: 'mask'"),
    ],
)
def test_inputs_that_forward_does_not_take_are_told_with_those_that_it_takes(inputs, says):
    with pytest.raises(InvalidInput) as caught:
        fuse(Two(), Two(), inputs=inputs)
    assert f"Two: takes (x, mask): {says}" in str(caught.value)
    assert "Give all of its inputs" in str(caught.value)


@pytest.mark.parametrize("call", ["hessian_trace", "top_eigenvalue"])
def test_classes_without_a_logit_are_refused_and_inference_mode_is_no_hindrance(call):
    run = {"hessian_trace": hessian_trace, "top_eigenvalue": top_eigenvalue}[call]
    with pytest.raises(InvalidInput, match="labels: holds classes from 1 to 3; allowed: 0 to 2"):
        run(NET, (DATA[0], DATA[1] + 1))
    expected = float(run(NET, DATA))
    with torch.inference_mode():
        assert float(run(NET, (DATA[0] * 1.0, DATA[1] * 1))) == pytest.approx(expected)
