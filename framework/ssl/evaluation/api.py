"""How good a model's features are, in one line:

    Eval_linear(model, "digits")                           a linear probe
    Eval_knn(model, (X, y), "precision", average="macro")
    Eval_transfer(model, "fashion_mnist", top_k=3)         on images that it was not trained on
    Eval_finetune(model, "digits", epochs=30)              the encoder goes on learning

`comparing.py` has `Compare_eval`, several models and their baselines in one table.
A data set is a name, `Splits`, or (X, y), of which val and test are drawn by class and seed (`tasks.py`). All is
fitted on train, chosen on val, and scored on test; the bank of kNN is train. No crop is random.
Metrics are accuracy (top-1, or top-k), class_average, precision and recall; `average` (macro, micro, weighted)
concerns the last two alone (`scores.py`).
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from framework.ssl.evaluation.asked import Asked
from framework.ssl.evaluation.evaluations import Device, Options, class_scores
from framework.ssl.evaluation.finetune import EPOCHS
from framework.ssl.evaluation.knn import TEMPERATURE, Weights
from framework.ssl.evaluation.scores import Average, metric_named
from framework.ssl.evaluation.tasks import task_of


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
    k: int | None = None,
    temperature: float = TEMPERATURE,
    weights: Weights = "distance",
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score of the k nearest neighbours in train (`knn.py`).

    Where k is left out, it is 200, or all of train where that has fewer.

    Raises:
        InvalidInput: as `Eval_linear`; a train split smaller than the k that is given.
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
    k: int | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: Device = None,
) -> Score:
    """The score on a data set that the model was not trained on: linear, knn or finetune.

    `k` is as of `Eval_knn`, and `epochs` as of `Eval_finetune`.
    Images are brought to the size and channels that the model takes, where it tells them (`images.py`).

    Raises:
        InvalidInput, TrainingDiverged: as the other evaluations.
    """
    options = Options(k=k, epochs=epochs, seed=seed, device=device)
    return _evaluated(evaluation, model, target_dataset, metric, top_k, average, options)


def _evaluated(
    evaluation: str, model: nn.Module, dataset: Any, metric: str, top_k: int, average: Average, options: Options
) -> Score:
    task, asked = task_of(dataset, options.seed), Asked([metric], [top_k], average, [evaluation])
    asked.refuse_unknown(task)
    scores, note = class_scores(evaluation, model, task, options)
    name = metric_named(metric)
    value = asked.value(scores, task, name, top_k)
    return Score(
        value, name, top_k, average, evaluation, task.name, "test", **task.counts, how=task.how, note=note
    )
