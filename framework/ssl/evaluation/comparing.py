"""Several models and their baselines in one table:

    Compare_eval({"BYOL": byol, "SimCLR": simclr}, "digits", ("accuracy", "recall"), top_k=(1, 3))

What models are held against is in `baselines.py`, what the evaluations make of them in `evaluations.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from torch import nn

from framework.errors import InvalidInput, Problem
from framework.ssl.evaluation.asked import Asked
from framework.ssl.evaluation.baselines import SEEDS, Baseline, backbone_of, baselines
from framework.ssl.evaluation.evaluations import Device, Options, class_scores
from framework.ssl.evaluation.finetune import EPOCHS
from framework.ssl.evaluation.knn import TEMPERATURE, Weights
from framework.ssl.evaluation.scores import Average, metric_named
from framework.ssl.evaluation.tasks import Task, task_of
from framework.ssl.parts import BackboneConfig


def Compare_eval(  # noqa: N802
    models: Mapping[str, nn.Module] | Sequence[nn.Module],
    dataset: Any,
    metrics: str | Sequence[str] = ("accuracy",),
    top_k: int | Sequence[int] = 1,
    average: Average = "macro",
    *,
    evaluations: str | Sequence[str] = ("linear", "knn"),
    backbone: str | BackboneConfig | None = None,
    seeds: Sequence[int] = SEEDS,
    k: int | None = None,
    temperature: float = TEMPERATURE,
    weights: Weights = "distance",
    epochs: int = EPOCHS,
    seed: int = 0,
    device: Device = None,
) -> pd.DataFrame:
    """Scores of several models and their baselines: a row for each model and evaluation, a column for each metric.

    Columns `top{k}_{metric}` hold scores; beside them stand `kind` (model, random, pretrained), the seed of random
    weights, the split, the number of images of each, how the splits came about, and a note. What cannot be had
    (pretrained weights that are not on this machine) has a row with NaN and a note that says why.

    Args:
        models: By name; a sequence is named by class and position.
        dataset: As of `Eval_linear`.
        metrics: One or more.
        top_k: One or more.
        average: Of precision and recall.
        evaluations: linear, knn, finetune.
        backbone: Whose random and pretrained weights are the baselines; None takes the models' own backbones.
        seeds: Of the random weights, one or more.
        k: As of `Eval_knn`, like `temperature` and `weights`: left out, 200, or all of train where it has fewer.
        temperature: See k.
        weights: See k.
        epochs: As of `Eval_finetune`.
        seed: Of the splits of (X, y), and of fine-tuning.
        device: Where to compute.

    Raises:
        InvalidInput, TrainingDiverged: as the evaluations; no model, no seed.
    """
    _refuse_no_seeds(seeds)
    named, task = _named(models), task_of(dataset, seed)
    asked = Asked(_listed(metrics), _listed(top_k), average, _listed(evaluations))
    asked.refuse_unknown(task)
    options = Options(k, temperature, weights, epochs, seed, device)
    cases = [Baseline(name, "model", None, model) for name, model in named.items()]
    cases += _baselines(named, task, backbone, seeds)
    rows = [_row(case, evaluation, task, asked, options) for case in cases for evaluation in asked.evaluations]
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _row(case: Baseline, evaluation: str, task: Task, asked: Asked, options: Options) -> dict[str, Any]:
    """One row of the table: the scores of a model by an evaluation, NaN where there is no model."""
    scores, note = (None, case.missing)
    if case.model is not None:
        scores, note = class_scores(evaluation, case.model, task, options)
    values = {}
    for top_k in asked.top_k:
        for metric in map(metric_named, asked.metrics):
            value = float("nan") if scores is None else asked.value(scores, task, metric, top_k)
            values[f"top{top_k}_{metric}{_suffix(metric, asked.average)}"] = value
    about = {"model": case.name, "kind": case.kind, "seed": case.seed, "evaluation": evaluation}
    where = {"split": "test", **task.counts, "dataset": task.name, "how": task.how, "note": note}
    return about | values | where


def _refuse_no_seeds(seeds: Any) -> None:
    if not _listed(seeds):
        message = "is empty; allowed: one or more seeds of the random weights that models are held against"
        raise InvalidInput([Problem("seeds", message)])


def _named(models: Any) -> dict[str, nn.Module]:
    given = models
    if isinstance(models, nn.Module):
        given = [models]
    if not isinstance(given, Mapping):
        given = {f"{type(model).__name__} {number}": model for number, model in enumerate(given)}
    wrong = [name for name, model in given.items() if not isinstance(model, nn.Module)]
    if wrong or not given:
        told = f"{', '.join(map(str, wrong))}: no torch module" if wrong else "is empty"
        raise InvalidInput([Problem("models", f"{told}; allowed: one or more modules, by name or in a list")])
    return dict(given)


def _baselines(
    models: Mapping[str, nn.Module], task: Task, backbone: str | BackboneConfig | None, seeds: Sequence[int]
) -> list[Baseline]:
    """Those of each backbone that the models have; a row that says so, where no backbone is known."""
    known = [found for model in models.values() if (found := backbone_of(model)) is not None]
    shape = known[0][1] if known else tuple(task.train.images.shape[1:])
    if backbone is not None:
        return baselines(backbone, shape, seeds)  # type: ignore[arg-type]
    if not known:
        message = "the backbone of these models is not known; tell it by `backbone`"
        return [
            Baseline(f"baseline, {kind} weights", kind, None, None, message) for kind in ("random", "pretrained")
        ]
    different = [pair for place, pair in enumerate(known) if pair not in known[:place]]
    return [baseline for config, images in different for baseline in baselines(config, images, seeds)]


def _suffix(metric: str, average: str) -> str:
    return f"_{average}" if metric in ("precision", "recall") else ""


def _listed(given: Any) -> list[Any]:
    """One or several, as a list."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
