"""The grids of the experiment; `python -m experiments --write-sweeps` writes them to sweeps/.

Points that differ in seed and rate alone are worked at once with `--together`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.multitask.config import MultitaskConfig
from framework.grid import Axis, Grid, choice, minimize, replicates, zipped

GELU = {"activation": "gelu"}
SMALL: Mapping[str, Any] = {"figures_every": 0, "log_every": 32}
"""Nothing that costs more than the training itself."""
NETWORKS: Mapping[str, tuple[Mapping[str, Any], float]] = {
    "standard": ({"kind": "abc_mlp", "width": 64, "parametrisation": "standard", **GELU}, 0.01),
    "ntk": ({"kind": "abc_mlp", "width": 64, "parametrisation": "ntk", **GELU}, 0.3),
    "mup": ({"kind": "abc_mlp", "width": 64, "parametrisation": "mup", **GELU}, 0.1),
    "modified_standard": ({"kind": "abc_mlp", "width": 64, "parametrisation": "modified_standard", **GELU}, 0.1),
    "stack": ({"kind": "stack", "variable_width": 64, "bottleneck_width": 16, "skip": True, **GELU}, 0.01),
    "abc_stack": ({"kind": "abc_stack", "variable_width": 64, "bottleneck_width": 16, "skip": True, **GELU}, 0.1),
}
"""Architectures of one size, each with a learning rate that fits it."""
RATES: Mapping[str, list[float]] = {
    "standard": [2.0**k for k in range(-10, -3)],
    "mup": [2.0**k for k in range(-3, 4)],
    "modified_standard": [2.0**k for k in range(-3, 4)],
}
"""By parametrisation: each a factor of 2 from the next. Rates of the last two are divided by the width within."""
WIDTHS = [64, 256, 1024, 2048]
BALANCED: Sequence[Any] = [
    "uncertainty", "famo", "pcgrad", "cagrad", "upgrad", {"kind": "nash_mtl", "every": 8},
]  # fmt: skip


def training(rate: float, epochs: int, **more: Any) -> Mapping[str, Any]:
    """A training with a rate that falls in a line."""
    return {"learning_rate": rate, "max_epochs": epochs, "batch_size": 128, "schedule": "linear", **more}


def networks(epochs: int) -> Axis:
    """The architectures, each with its rate."""
    trainings = [training(rate, epochs) for _, rate in NETWORKS.values()]
    return zipped({"network": [network for network, _ in NETWORKS.values()], "training": trainings})


def rates(epochs: int) -> Axis:
    """Every rate of every parametrisation."""
    pairs = [(name, rate) for name, rates in RATES.items() for rate in rates]
    trainings = [training(rate, epochs, batch_size=256, reduction="mean") for _, rate in pairs]
    return zipped({"network.parametrisation": [name for name, _ in pairs], "training": trainings})


def companies(rate: float, epochs: int) -> Axis:
    """task_0 alone, and with task_1 by each way of balancing."""
    kinds = ["sum", "sum", *BALANCED]
    trainings = [training(rate, epochs, balancing=kind) for kind in kinds]
    return zipped({"learn": [["task_0"], *[None] * (len(kinds) - 1)], "training": trainings})


GRIDS = {
    # Minutes on two cores: six architectures, one network for both tasks or one each, three seeds.
    "multitask": Grid(
        MultitaskConfig,
        networks(128),
        choice("sharing", ["shared", "per_task"]),
        replicates("seed", 3),
        base=SMALL,
        metric=minimize("val/loss_task_0"),
    ),
    # Does the best learning rate stay where it is when the network grows?
    "multitask_scaling": Grid(
        MultitaskConfig,
        choice("network.width", WIDTHS),
        rates(30),
        replicates("seed", 4),
        base={
            "network": {"kind": "abc_mlp", "depth": 3, "zero_output": True, **GELU},
            **SMALL,
            "prediction_points": 0,
            "coordinates": True,
        },
        metric=minimize("val/loss_task_0"),
    ),
    # The question: does task_1 help task_0 where it has seen nothing, and does balancing matter?
    "multitask_extrapolation": Grid(
        MultitaskConfig,
        companies(NETWORKS["standard"][1], 256),
        replicates("seed", 20),
        base={**SMALL, "network": NETWORKS["standard"][0]},
    ),
}
