"""The grids of the experiment; `python -m experiments --write-sweeps` writes them to sweeps/.

Seeds and rates come last, so that points of one shape follow one another: `--together` takes them at once.
"""

from collections.abc import Mapping
from typing import Any

from experiments.multitask.config import MultitaskConfig
from framework.grid import Grid, choice, replicates, zipped

SMALL: Mapping[str, Any] = {"figures_every": 0, "log_every": 64, "training.max_epochs": 512}
NETWORKS = [
    *[
        {"kind": "abc_mlp", "width": 64, "parametrisation": name}
        for name in ("standard", "ntk", "mup", "modified_standard")
    ],
    {"kind": "stack", "variable_width": 64, "bottleneck_width": 16, "skip": True},
    {"kind": "abc_stack", "variable_width": 64, "bottleneck_width": 16, "skip": True},
]
RATES = [2.0**-k for k in range(12, 1, -1)]
WIDTHS = [64, 256, 1024, 2048]
BALANCED = ["uncertainty", "famo", "pcgrad", "cagrad", "upgrad", {"kind": "nash_mtl", "every": 8}]

GRIDS = {
    # Minutes on two cores: six architectures, one network for both tasks or one each, three seeds.
    "multitask": Grid(
        MultitaskConfig,
        choice("network", NETWORKS),
        choice("sharing", ["shared", "per_task"]),
        replicates("seed", 3),
        base={**SMALL, "training.max_epochs": 128, "training.learning_rate": 0.003},
    ),
    # Does the best learning rate stay where it is when the network grows?
    "multitask_scaling": Grid(
        MultitaskConfig,
        choice("network.parametrisation", ["standard", "mup", "modified_standard"]),
        choice("network.width", WIDTHS),
        replicates("seed", 2),
        choice("training.learning_rate", RATES),
        base={
            **SMALL,
            "network.kind": "abc_mlp",
            "network.depth": 3,
            "training.max_epochs": 40,
            "training.batch_size": 256,
            "training.reduction": "mean",
            "prediction_points": 0,
            "coordinates": True,
        },
    ),
    # The question: does task_1 help task_0 where it has seen nothing, and does balancing matter?
    "multitask_extrapolation": Grid(
        MultitaskConfig,
        zipped(
            {
                "learn": [["task_0"], None, *[None] * len(BALANCED)],
                "training.balancing": ["sum", "sum", *BALANCED],
            }
        ),
        replicates("seed", 20),
        base=SMALL,
    ),
}
