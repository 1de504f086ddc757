"""The first steps in muP are those of the `mup` package, whose initial weights are matched."""

import numpy as np
import pytest
import torch

from framework.multitask.networks.build import build
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import coordinate_check
from tests.framework.multitask.networks.test_coordinates import batch
from tests.framework.multitask.networks.their_mup import their_steps


@pytest.mark.parametrize("zero_output", [False, True])
@pytest.mark.parametrize("width", [64, 256])
@pytest.mark.parametrize(
    ("optimizer", "rate", "within"),
    [
        pytest.param("sgd", 0.2, 1e-9, id="sgd"),
        pytest.param("adam", 0.2, 0.02, id="adam"),  # the epsilon is as large there, and gradients are not
    ],
)
@pytest.mark.parametrize(("depth", "activation"), [(4, "relu"), (3, "tanh")])
def test_coordinates_are_those_of_mup(depth, activation, optimizer, rate, within, width, zero_output):
    x, y = (part.double() for part in batch())
    config = AbcMLP(depth=depth, width=width, activation=activation, zero_output=zero_output)
    frame = coordinate_check(config, optimizer, rate, x, y, widths=(width,), seeds=(0,))
    ours = build(config, "", 4, 3, generator=torch.Generator().manual_seed(0)).double()
    theirs = np.array(their_steps(ours, optimizer, rate, x, y, 5))
    found = frame.mean_abs.to_numpy().reshape(theirs.shape)
    assert found == pytest.approx(theirs, rel=within)
    assert found[5, -1] != pytest.approx(found[0, -1], rel=0.05)
