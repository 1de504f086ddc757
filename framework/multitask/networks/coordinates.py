"""The coordinate check: how the numbers inside a network go with its width in the first steps of training.

A parametrisation is right if what each layer gives neither grows nor vanishes with the width n [1, 2]:

    mean |x| ~ n^s        s is the slope of log mean |x| against log n, of one layer after one step        (1)

where x are the pre-activations of a layer, or the outputs, of all inputs of a batch. muP has s = 0 everywhere
after the first step; with the standard parametrisation and one rate s is above 0 in some layer.

Before outputs have learned they are a sum of n independent terms, of order n^-1/2 in muP. That remains in them,
and fades as they learn; `zero_output` takes it away from the beginning.

[1] Yang and Hu, "Tensor programs IV: feature learning in infinite-width neural networks", 2021.
[2] Yang et al., "Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer", 2022.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from torch import Tensor

from framework.multitask.networks.build import build, rate_factors
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.parametrisation import Family, family_of
from framework.report.panels import one_legend, panel_grid
from framework.report.style import COLUMN_WIDTH, MARKERS, sequence, styled
from framework.seeds import torch_numbers

WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
STEPS = 5
COLUMNS = ("width", "seed", "step", "layer", "mean_abs")
OPTIMIZERS: dict[Family, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def coordinate_check(
    config: AbcMLP,
    optimizer: str,
    learning_rate: float,
    inputs_NI: Tensor,
    targets_NO: Tensor,
    *,
    widths: Sequence[int] = WIDTHS,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = STEPS,
    task: str = "",
) -> pd.DataFrame:
    """What each layer gives, in each of the first steps on one batch, for networks of several widths.

    Args:
        config: The network, whose width is replaced by each of `widths`.
        optimizer: sgd, without momentum, or adam.
        learning_rate: η, that is the rate at width 1: each parameter's own is η n^-c.
        inputs_NI: The batch, (N, I); each step sees all of it, and lowers the mean squared error.
        targets_NO: What the outputs are to be, (N, O).
        widths: Widths of the hidden layers, in neurons.
        seeds: Of the initial weights.
        steps: Number of steps.
        task: Whose values of `config` are taken where they differ.

    Returns:
        A row for each width, seed, step (0 before the first) and layer (from 1 on; the last gives the outputs),
        with mean_abs, the mean of |x| over units and inputs; infinite or NaN where training diverges.

    Raises:
        InvalidInput: an optimiser whose rates are not known.
    """
    family = family_of(optimizer)
    rows: list[tuple[int, int, int, int, float]] = []
    for width in widths:
        sized = config.model_copy(update={"width": width})
        for seed in seeds:
            made = build(
                sized, task, inputs_NI.shape[1], targets_NO.shape[1], generator=torch_numbers(seed, "seeds")
            )
            network = made.to(inputs_NI)
            seen = _steps(network, family, learning_rate, inputs_NI, targets_NO, steps)
            rows += [
                (width, seed, step, layer, mean)
                for step, means in enumerate(seen)
                for layer, mean in enumerate(means, start=1)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def slopes(frame: pd.DataFrame) -> pd.DataFrame:
    """The slope (1) of each layer after each step, by least squares over all widths and seeds.

    Args:
        frame: As `coordinate_check` gives it.

    Returns:
        Columns layer, step, slope, networks (how many it rests on); the slope is NaN where some mean |x| is 0, as
        that of outputs which begin at zero, or not finite.
    """
    rows = []
    for (layer, step), group in frame.groupby(["layer", "step"], sort=True):
        means = group["mean_abs"].to_numpy(dtype=np.float64)
        usable = bool(np.isfinite(means).all() and (means > 0).all())
        slope = _slope(group["width"].to_numpy(dtype=np.float64), means) if usable else float("nan")
        rows.append((layer, step, slope, len(group)))
    return pd.DataFrame(rows, columns=["layer", "step", "slope", "networks"])


def coordinate_figure(frame: pd.DataFrame) -> Figure:
    """mean |x| against the width, both logarithmic: a panel for each layer, a line for each step, over seeds."""
    layers, every_step = sorted(frame["layer"].unique()), sorted(frame["step"].unique())
    with styled():
        figure, axes = panel_grid(len(layers), 2, width=COLUMN_WIDTH)
        for panel, layer in zip(axes, layers, strict=True):
            of_layer = frame[frame["layer"] == layer]
            for step, colour in zip(every_step, sequence(len(every_step)), strict=True):
                line = of_layer[of_layer["step"] == step].groupby("width")["mean_abs"].mean()
                line = line[np.isfinite(line) & (line > 0)]
                panel.plot(line.index, line, color=colour, marker=MARKERS[0], label=f"step {step}")
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
            for axis in (panel.xaxis, panel.yaxis):
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_locator(NullLocator())
            panel.set_title("outputs" if layer == layers[-1] else f"layer {layer}")
        figure.supxlabel("width", fontsize=8)
        figure.supylabel("mean |x|", fontsize=8)
        one_legend(figure, axes)
    return figure


def _steps(
    network: Any, family: Family, learning_rate: float, inputs_NI: Tensor, targets_NO: Tensor, steps: int
) -> Iterator[list[float]]:
    """The mean |x| of each layer before the first step and after each."""
    factors = rate_factors(network, family)
    groups = [{"params": [p], "lr": learning_rate * factors[name]} for name, p in network.named_parameters()]
    optimizer = OPTIMIZERS[family](groups)
    for step in range(steps + 1):
        found = network.preactivations(inputs_NI)
        yield [float(x.detach().abs().mean()) for x in found]
        if step < steps:
            optimizer.zero_grad()
            F.mse_loss(found[-1], targets_NO).backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _slope(widths: Any, means: Any) -> float:
    x, y = np.log(widths), np.log(means)
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))
