"""The work of one run, or of several of one shape at once: train, score, show.

Tables: `scores` (a row a task, split, region, output and metric), `predictions` (a row a point of test and
output), `coordinates` where they are asked for. Figures: `val/<task>_output_<d>`. Artifact: `networks`, with
weights as safetensors and figures as PDF.

The weights are those after the last epoch. Val reaches outside the interval that a task is trained on, so that
choosing an epoch by it would look where the question is about.
"""

import math
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from pytorch_lightning import Callback

from experiments.multitask.config import MultitaskConfig
from framework.errors import TrainingDiverged
from framework.multitask.callbacks.figures import FOLDER as FIGURES
from framework.multitask.callbacks.figures import FitFigures
from framework.multitask.callbacks.networks import FOLDER as NETWORKS
from framework.multitask.data.samples import samples_of
from framework.multitask.evaluation.predictions import predictions_of
from framework.multitask.evaluation.scores import ALL, scores_of
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import coordinate_check
from framework.multitask.per_task import value
from framework.multitask.training.beginning import LEARNS, Beginning, load_done
from framework.multitask.training.config import Optimizer
from framework.multitask.training.networks import load_networks
from framework.multitask.training.train import Samples, train_tasks
from framework.training.starts import before

if TYPE_CHECKING:
    from framework.tracking.run import Run

KIND = "networks"


def multitask_study(config: MultitaskConfig, run: "Run") -> None:
    """Train and log one point.

    Raises:
        TrainingDiverged: the loss became NaN or infinite; the step is named.
    """
    (error,) = study_together([config], [run])
    if error is not None:
        raise error


def study_together(configs: Sequence[MultitaskConfig], runs: Sequence["Run"]) -> list[Exception | None]:
    """Train several points at once and log each in its run; how those failed that did."""
    first = configs[0]

    def figures(runs: Sequence["Run"], samples: Sequence[Samples]) -> Sequence[Callback]:
        return [] if first.figures_every == 0 else [FitFigures(runs, samples, first.figures_every)]

    found = train_tasks(configs, runs, figures, _beginning(first, runs[0]))
    return [
        _evaluated(config, run) if diverged is None else diverged
        for config, run, diverged in zip(configs, runs, found, strict=True)
    ]


def _beginning(config: MultitaskConfig, run: "Run") -> Beginning | None:
    """What another training has left, which a point that is worked alone begins with; None where it is fresh."""
    other = before(config)
    if other is None:
        return None
    folder = run.require(KIND, other)
    names = [group[0] for group in config.groups]
    networks = load_networks(other, folder)
    weights = {name: dict(networks[name].state_dict()) for name in names}
    learns = config.training.balancing.kind in LEARNS
    return Beginning(weights, load_done(folder, names, learns=learns) if config.extra_epochs else None)


def _evaluated(config: MultitaskConfig, run: "Run") -> Exception | None:
    """What failed, if something did: it must not take the points beside it along."""
    try:
        _evaluate(config, run)
    except Exception as error:
        return error
    return None


def _evaluate(config: MultitaskConfig, run: "Run") -> None:
    networks = load_networks(config, run.folder / NETWORKS)
    samples = samples_of(config.data, config.seed)
    scores = pd.DataFrame(scores_of(networks, samples))
    run.log_table("scores", scores)
    if config.prediction_points:
        run.log_table("predictions", predictions_of(networks, samples, config.prediction_points))
    if config.coordinates:
        run.log_table("coordinates", coordinates_of(config))
    summary = summary_of(scores)
    wild = next((name for name, value in summary.items() if "mse" in name and not math.isfinite(value)), None)
    if wild is not None:
        told = f"{wild} is {summary[wild]} after the last epoch, though the loss on train is finite"
        raise TrainingDiverged(f"{told}: lower training.learning_rate")
    run.summarise(summary)
    if (run.folder / FIGURES).is_dir():
        shutil.copytree(run.folder / FIGURES, run.folder / NETWORKS / FIGURES, dirs_exist_ok=True)
    run.log_artifact(KIND, config, run.folder / NETWORKS, metadata=summary)


def coordinates_of(config: MultitaskConfig) -> pd.DataFrame:
    """The mean size of what each layer gives over the first five steps, of the first task's network.

    All steps are on one batch, the train splits of its tasks. Columns as `coordinate_check`.
    """
    if not isinstance(config.network, AbcMLP):
        raise TypeError(f"coordinates are those of an AbcMLP, not of a {type(config.network).__name__}")
    group = config.groups[0]
    samples = samples_of(config.data, config.seed)
    inputs, targets = (torch.cat([getattr(samples[task].train, name) for task in group]) for name in ("x", "y"))
    kind: Optimizer = value(config.training.optimizer, group[0])
    rate: float = value(config.training.learning_rate, group[0])
    width: int = value(config.network.width, group[0])
    return coordinate_check(
        config.network, kind, rate, inputs, targets, widths=[width], seeds=[config.seed], task=group[0]
    )


def summary_of(scores: pd.DataFrame) -> dict[str, float]:
    """`test/<metric>_<task>_<region>` over all outputs that a task sees, of mse and r2."""
    chosen = scores[(scores["output"] == ALL) & scores["metric"].isin(["mse", "r2"]) & (scores["split"] == "test")]
    return {f"test/{row.metric}_{row.task}_{row.region}": float(row.value) for row in chosen.itertuples()}  # type: ignore[arg-type]
