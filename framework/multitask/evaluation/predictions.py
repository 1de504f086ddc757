"""Predictions as a table: x, task, output, truth, prediction, a row a point."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import nn

from framework.multitask.data.samples import TaskSamples
from framework.multitask.training.networks import predict


def predictions_of(
    networks: Mapping[str, nn.Module], samples: Mapping[str, TaskSamples], points: int
) -> pd.DataFrame:
    """Rows of the test split, so many points a task at most, spread over its interval.

    Columns: x, task, output, truth, prediction, inside (whether x lies where the task is trained).
    """
    parts = []
    for name, network in networks.items():
        task = samples[name]
        places = torch.linspace(0, len(task.test) - 1, min(points, len(task.test))).long()
        x_NI = task.test.x[places]
        predicted_ND, inside_N = predict(network, x_NI), task.is_inside(x_NI)
        for output in task.outputs:
            columns = {
                "x": x_NI[:, 0].tolist(),
                "task": name,
                "output": output,
                "truth": task.test.y[places, output].tolist(),
                "prediction": predicted_ND[:, output].tolist(),
                "inside": inside_N.tolist(),
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
