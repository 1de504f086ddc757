"""One figure a task and output: the train points, the function, and what the network says."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from framework.multitask.data.samples import TaskSamples
from framework.report.style import COLOURS, REFERENCE, new_figure, styled

MARGIN = 0.35
"""Of the height of the function, how much of the plane above and below is shown."""


def fit_figure(task: TaskSamples, output: int, predicted_N: Tensor, title: str) -> Figure:
    """The val split of a task: its function, the prediction (N,), and the points that it was trained on."""
    order = torch.argsort(task.val.x[:, 0])
    x_N, true_N = task.val.x[order, 0], task.val.y[order, output]
    with styled():
        figure = new_figure(height=2.1)
        axes = figure.subplots()
        axes.axvspan(task.low, task.high, color="#F0F0F0", zorder=0, linewidth=0, label="trained here")
        axes.plot(
            task.train.x[:, 0].tolist(), task.train.y[:, output].tolist(), ".", color=REFERENCE, markersize=1.6,
            alpha=0.6, label="train",
        )  # fmt: skip
        axes.plot(x_N.tolist(), true_N.tolist(), color="black", linewidth=0.9, label="truth")
        axes.plot(x_N.tolist(), predicted_N[order].tolist(), color=COLOURS[0], linewidth=1.1, label="prediction")
        axes.set_ylim(*_limits(true_N))
        axes.set_xlabel("x")
        axes.set_ylabel(f"output {output}")
        axes.set_title(title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1.0)
    return figure


def _limits(values: Tensor | Sequence[float]) -> tuple[float, float]:
    low, high = float(torch.as_tensor(values).min()), float(torch.as_tensor(values).max())
    margin = MARGIN * (high - low or 1.0)
    return low - margin, high + margin
