"""The grids of the merging experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

from experiments.merging.config import MergingConfig
from framework.grid import Grid, choice, maximize, replicates

QUICK = {"batch_size": 128, "learning_rate": 0.02}

GRIDS = {
    # Minutes on a laptop: four ways in which fine-tuned models differ, from three checkpoints each.
    "merging": Grid(
        MergingConfig,
        choice("scenario.kind", ["seeds", "label_noise", "augmentation", "tasks"]),
        replicates("base.seed", 3),
        base={
            "data": "fashion_mnist_or_digits",
            **{f"base.{key}": value for key, value in QUICK.items()},
            "fine_tune": QUICK,
            "num_models": 4,
        },
        metric=maximize("task_arithmetic/val_accuracy"),
    ),
}
