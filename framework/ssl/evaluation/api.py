"""How good a model's features are, in one line:

    Eval_linear(model, "digits")                           a linear probe
    Eval_knn(model, (X, y), "precision", average="macro")
    Eval_transfer(model, "fashion_mnist", top_k=3)         on images that it was not trained on
    Eval_finetune(model, "digits", epochs=30)              the encoder goes on learning
    Compare_eval({"BYOL": byol, "SimCLR": simclr}, "digits", ("accuracy", "recall"), top_k=(1, 3))

A data set is a name, `Splits`, or (X, y), of which val and test are drawn by class and seed (`tasks.py`). All is
fitted on train, chosen on val, and scored on test; the bank of kNN is train. No crop is random.
Metrics are accuracy (top-1, or top-k), class_average, precision and recall; `average` (macro, micro, weighted)
concerns the last two alone (`scores.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.ssl.evaluation.baselines import SEEDS, Baseline, backbone_of, baselines
from framework.ssl.evaluation.evaluations import EVALUATIONS, Device, Options, class_scores
from framework.ssl.evaluation.finetune import EPOCHS
from framework.ssl.evaluation.knn import NEIGHBOURS, TEMPERATURE, Weights
from framework.ssl.evaluation.scores import Average, metric_named, score
from framework.ssl.evaluation.tasks import Task, task_of
from framework.ssl.parts import BackboneConfig
from framework.values import is_number


@dataclass(frozen=True)
class Score:
    """A score on a split, and what it is of. `float(score)` is the number."""

    value: float
    metric: str
    top_k: int
    average: str
    evaluation: str
    dataset: str
    split: str
    n_train: int
    n_val: int
    n_test: int
    how: str
    note: str

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        counts = f"{self.n_train} train, {self.n_val} val, {self.n_test} test"
        told = "; ".join(part for part in (self.how, self.note) if part)
        return (
            f"top-{self.top_k} {self.metric} {self.value:.4f} ({self.evaluation}, {self.split} split of "
            f"{self.dataset}: {counts}; {told})"
        )


def Eval_linear(  # noqa: N802 (the name that users know)
    model: nn.Module,
    dataset: Any,
    metric: str = "accuracy",
    top_k: int = 1,
    average: Average = "macro",
    *,
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score of a linear probe on frozen features (`probe.py`).

    Raises:
        InvalidInput: a word that is unknown (the nearest is told), a top_k above the number of classes; as
            `task_of`, `features_of` and `fit_probe`.
    """
    return _evaluated("linear", model, dataset, metric, top_k, average, Options(seed=seed, device=device))


def Eval_knn(  # noqa: N802
    model: nn.Module,
    dataset: Any,
    metric: str = "accuracy",
    top_k: int = 1,
    average: Average = "macro",
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    weights: Weights = "distance",
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score of the k nearest neighbours in train (`knn.py`).

    Raises:
        InvalidInput: as `Eval_linear`; a train split smaller than k.
    """
    options = Options(k=k, temperature=temperature, weights=weights, seed=seed, device=device)
    return _evaluated("knn", model, dataset, metric, top_k, average, options)


def Eval_finetune(  # noqa: N802
    model: nn.Module,
    dataset: Any,
    metric: str = "accuracy",
    top_k: int = 1,
    average: Average = "macro",
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score of a copy of the encoder that has gone on learning with a linear head (`finetune.py`).

    Raises:
        InvalidInput: as `Eval_linear`.
        TrainingDiverged: the loss became NaN or infinite.
    """
    options = Options(epochs=epochs, seed=seed, device=device)
    return _evaluated("finetune", model, dataset, metric, top_k, average, options)


def Eval_transfer(  # noqa: N802
    model: nn.Module,
    target_dataset: Any,
    metric: str = "accuracy",
    top_k: int = 1,
    average: Average = "macro",
    *,
    evaluation: str = "linear",
    k: int = NEIGHBOURS,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score on a data set that the model was not trained on: linear, knn (of `k`) or finetune (of `epochs`).

    Images are brought to the size and channels that the model takes, where it tells them (`images.py`).

    Raises:
        InvalidInput, TrainingDiverged: as the other evaluations.
    """
    options = Options(k=k, epochs=epochs, seed=seed, device=device)
    return _evaluated(evaluation, model, target_dataset, metric, top_k, average, options)


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
    k: int = NEIGHBOURS,
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
        backbone: Whose random and pretrained weights are the baselines; those of the models' own backbones, where
            none is given.
        seeds: Of the random weights.
        k: As of `Eval_knn`, like `temperature` and `weights`.
        temperature: See k.
        weights: See k.
        epochs: As of `Eval_finetune`.
        seed: Of the splits of (X, y), and of fine-tuning.
        device: Where to compute.

    Raises:
        InvalidInput, TrainingDiverged: as the evaluations; no model.
    """
    named = _named(models)
    options = Options(k, temperature, weights, epochs, seed, device)
    wanted = [evaluations] if isinstance(evaluations, str) else list(evaluations)
    columns, ks = [metrics] if isinstance(metrics, str) else list(metrics), _list(top_k)
    task = task_of(dataset, seed)
    _refuse(task, columns, ks, average, wanted)
    cases = [Baseline(name, "model", None, model) for name, model in named.items()]
    rows = []
    for case in [*cases, *_baselines(named, task, backbone, seeds)]:
        for evaluation in wanted:
            row: dict[str, Any] = {
                "model": case.name,
                "kind": case.kind,
                "seed": case.seed,
                "evaluation": evaluation,
            }
            scores, note = (None, case.missing)
            if case.model is not None:
                scores, note = class_scores(evaluation, case.model, task, options)
            for each in ks:
                for metric in map(metric_named, columns):
                    value = float("nan") if scores is None else _value(scores, task, metric, each, average)
                    row[f"top{each}_{metric}{_suffix(metric, average)}"] = value
            rows.append(
                row | {"split": "test", **task.counts, "dataset": task.name, "how": task.how, "note": note}
            )
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _evaluated(
    evaluation: str, model: nn.Module, dataset: Any, metric: str, top_k: int, average: Average, options: Options
) -> Score:
    task = task_of(dataset, options.seed)
    _refuse(task, [metric], [top_k], average, [evaluation])
    scores, note = class_scores(evaluation, model, task, options)
    name = metric_named(metric)
    value = _value(scores, task, name, top_k, average)
    return Score(
        value, name, top_k, average, evaluation, task.name, "test", **task.counts, how=task.how, note=note
    )


def _value(scores: Tensor, task: Task, metric: str, top_k: int, average: Average) -> float:
    return score(scores, task.test.labels, metric, top_k=top_k, average=average)


def _refuse(task: Task, metrics: list[str], ks: list[int], average: Any, evaluations: list[str]) -> None:
    """Every word and number that cannot be used, before anything is computed."""
    problems: list[Problem] = []
    for metric in metrics:
        try:
            metric_named(metric)
        except InvalidInput as error:
            problems += error.problems
    for each in ks:
        if not (is_number(each, whole=True) and 1 <= each <= task.num_classes):
            message = (
                f"is {each!r}, and {task.name} has {task.num_classes} classes; allowed: 1 to {task.num_classes}"
            )
            problems.append(Problem("top_k", message))
    if average not in get_args(Average):
        problems.append(Problem("average", f"is {average!r}; allowed: {', '.join(get_args(Average))}"))
    problems += [
        Problem("evaluations", f"is {name!r}; {nearest(str(name), list(EVALUATIONS))}")
        for name in evaluations
        if name not in EVALUATIONS
    ]
    for key, given in (("metrics", metrics), ("top_k", ks), ("evaluations", evaluations)):
        if not given:
            problems.append(Problem(key, "is empty; allowed: one or more"))
    if problems:
        raise InvalidInput(problems, "evaluation")


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


def _list(top_k: int | Sequence[int]) -> list[int]:
    return list(top_k) if isinstance(top_k, Sequence) else [top_k]
