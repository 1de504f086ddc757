"""The coordinate check: slopes, what it tells of parametrisations, and that its steps are those of training."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framework.errors import InvalidInput
from framework.multitask.networks.build import build, rate_factors
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import COLUMNS, coordinate_check, coordinate_figure, slopes

WIDTHS = (64, 128, 256, 512, 1024)
BOUND, GROWS = 0.05, 0.3
RATES = {("mup", "sgd"): 0.25, ("mup", "adam"): 0.1, ("standard", "sgd"): 0.01, ("standard", "adam"): 0.01}


def batch() -> tuple[Tensor, Tensor]:
    """32 inputs of 4 numbers, and three sines of them, around 1, to be learned."""
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(32, 4, generator=numbers) / 2
    return x, 1 + torch.sin(2 * x @ torch.randn(4, 3, generator=numbers))


def checked(preset: str, optimizer: str, widths: tuple[int, ...] = WIDTHS, seeds: int = 3) -> pd.DataFrame:
    config = AbcMLP(parametrisation=preset, zero_output=preset == "mup")
    rate = RATES[preset, optimizer]
    return coordinate_check(config, optimizer, rate, *batch(), widths=widths, seeds=range(seeds))


def after_steps(frame: pd.DataFrame) -> pd.DataFrame:
    found = slopes(frame)
    return found[found.step > 0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_mup_is_flat_in_every_layer(optimizer: str):
    frame = checked("mup", optimizer)
    assert after_steps(frame).slope.abs().max() <= BOUND
    hidden = frame[frame.layer == 3].groupby("step").mean_abs.mean()
    assert abs(hidden[5] / hidden[0] - 1) > 0.05  # features have been learned


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_rate_for_all_layers_is_not(optimizer: str):
    found = after_steps(checked("standard", optimizer))
    for _, of_step in found.groupby("step"):
        assert of_step.slope.max() >= GROWS


@pytest.mark.parametrize(("zero_output", "least", "most"), [(False, GROWS, 1), (True, 0, BOUND)])
def test_rates_per_layer_are_not_enough_while_outputs_have_weights_of_before(zero_output, least, most):
    """Units move along the last layer's initial weights, which are n^-1/2, unless they begin at zero."""
    config = AbcMLP(parametrisation="modified_standard", zero_output=zero_output)
    found = after_steps(coordinate_check(config, "sgd", 0.1, *batch(), widths=WIDTHS))
    assert least <= found[found.layer == 4].slope.max() <= most
    assert found[found.layer < 4].slope.abs().max() <= BOUND


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_complete_p_is_flat_in_every_layer(optimizer: str):
    config = AbcMLP(parametrisation="complete_p", residual=True, depth=8, zero_output=True)
    found = after_steps(coordinate_check(config, optimizer, RATES["mup", optimizer], *batch(), widths=WIDTHS[:4]))
    assert found.slope.abs().max() <= BOUND


def test_steps_are_those_of_training():
    frame = checked("mup", "adam", widths=(16,), seeds=1)
    x, y = batch()
    network = build(AbcMLP(width=16, zero_output=True), "", 4, 3, generator=torch.Generator().manual_seed(0))
    factors = rate_factors(network, "adam")
    optimizer = torch.optim.Adam(
        [{"params": [p], "lr": RATES["mup", "adam"] * factors[name]} for name, p in network.named_parameters()]
    )
    for step in range(6):
        means = [float(h.detach().abs().mean()) for h in network.preactivations(x)]
        assert frame[frame.step == step].mean_abs.tolist() == means
        optimizer.zero_grad()
        F.mse_loss(network(x), y).backward()
        optimizer.step()


def test_the_frame_is_tidy():
    frame = checked("mup", "sgd", widths=(8, 16), seeds=2)
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 2 * 2 * 6 * 4
    assert not frame.duplicated(["width", "seed", "step", "layer"]).any()


def test_a_slope_is_that_of_least_squares():
    widths, noise = np.array([64, 128, 256, 64, 128, 256]), np.array([1.1, 0.9, 1, 1.05, 1, 0.97])
    frame = pd.DataFrame({"width": widths, "step": 1, "layer": 2, "mean_abs": 3 * widths**0.7 * noise})
    expected = np.polyfit(np.log(widths), np.log(frame.mean_abs), 1)[0]
    found = slopes(frame).iloc[0]
    assert found.slope == pytest.approx(expected)
    assert (found.layer, found.step, found.networks) == (2, 1, 6)


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_there_is_no_slope_of_what_is_zero_or_diverged(value: float):
    frame = pd.DataFrame({"width": [64, 128], "step": 0, "layer": 1, "mean_abs": [1.0, value]})
    assert math.isnan(slopes(frame).slope[0])


def test_values_of_a_task_are_taken():
    config = AbcMLP(depth={"one": 2, "other": 3})
    frame = coordinate_check(config, "sgd", 0.1, *batch(), widths=(8,), seeds=(0,), steps=1, task="other")
    assert sorted(frame.layer.unique()) == [1, 2, 3]


def test_an_optimiser_without_rates_is_refused():
    with pytest.raises(InvalidInput, match="optimizer"):
        coordinate_check(AbcMLP(), "lars", 0.1, *batch(), widths=(8,))


def test_the_figure_has_a_panel_a_layer_and_a_line_a_step():
    before = dict(mpl.rcParams)
    frame = checked("mup", "sgd", widths=(8, 16), seeds=1)
    figure = coordinate_figure(frame)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["layer 1", "layer 2", "layer 3", "outputs"]
    assert all(len(axes.lines) == 6 for axes in panels)
    line = panels[1].lines[3]
    rows = frame[(frame.layer == 2) & (frame.step == 3)]
    assert line.get_xdata().tolist() == rows.width.tolist()
    assert line.get_ydata().tolist() == rows.mean_abs.tolist()
    assert len(panels[3].lines[0].get_xdata()) == 0  # outputs that begin at zero have no logarithm
    assert dict(mpl.rcParams) == before
