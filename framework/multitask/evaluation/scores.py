"""The error of predictions, inside and outside the interval that a task is trained on.

    mse = 1/N Σ_i (f(x_i) - y_i)²        mae = 1/N Σ_i |f(x_i) - y_i|                                          (1)
    r2  = 1 - Σ_i (f(x_i) - y_i)² / Σ_i (y_i - ȳ)²       ȳ of the same points                                  (2)

Of several outputs, the means of theirs. r2 is 1 where all is right, and 0 for who knows the mean there and nothing
else. Shapes: N samples, D outputs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from framework.multitask.data.samples import Split, TaskSamples
from framework.multitask.training.networks import predict

SPLITS = ("val", "test")
ALL = -1
"""In the column `output`: the mean over all outputs that the task sees."""
METRICS = ("mse", "mae", "r2")


def scores_of(networks: Mapping[str, nn.Module], samples: Mapping[str, TaskSamples]) -> Iterator[dict[str, Any]]:
    """A row for each task, split, region, output and metric: those of equations (1) and (2), and n."""
    for name, network in networks.items():
        task = samples[name]
        for split_name in SPLITS:
            split: Split = getattr(task, split_name)
            predicted_ND = predict(network, split.x)
            for region, chosen_N in regions(task, split.x).items():
                about = {"task": name, "split": split_name, "region": region}
                yield from _rows(about, predicted_ND[chosen_N], split.y[chosen_N], task.outputs)


def regions(task: TaskSamples, x_NI: Tensor) -> dict[str, Tensor]:
    """Which samples lie where, (N,) each: all, and inside and outside the train interval where there are any."""
    inside_N = task.is_inside(x_NI)
    found = {"all": inside_N | ~inside_N, "inside": inside_N, "outside": ~inside_N}
    return {region: chosen_N for region, chosen_N in found.items() if bool(chosen_N.any())}


def _rows(
    about: dict[str, Any], predicted_ND: Tensor, true_ND: Tensor, outputs: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    by_output = {output: measured(predicted_ND[:, output], true_ND[:, output]) for output in outputs}
    means = {metric: sum(found[metric] for found in by_output.values()) / len(by_output) for metric in METRICS}
    for output, found in {ALL: means, **by_output}.items():
        for metric in METRICS:
            yield {**about, "output": output, "metric": metric, "value": found[metric], "n": len(true_ND)}


def measured(predicted_N: Tensor, true_N: Tensor) -> dict[str, float]:
    """Equations (1) and (2) for one output."""
    difference_N = predicted_N.double() - true_N.double()
    spread = float((true_N.double() - true_N.double().mean()).square().sum())
    squares = float(difference_N.square().sum())
    return {
        "mse": squares / len(difference_N),
        "mae": float(difference_N.abs().mean()),
        "r2": 1 - squares / spread if spread else float("nan"),
    }
