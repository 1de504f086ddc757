"""How well a table is predicted: scores of a split, of each class, and of each row. Scikit-learn computes them.

Shapes: N rows, K classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics  # type: ignore[import-untyped]

from framework.data.tabular.loading import Part, TableData
from framework.metrics.metric import Metric
from framework.tabular.estimators import Array

ROWS = "mean over rows"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "share of rows whose most probable class is theirs, in [0, 1]", "higher", ROWS),
        Metric("balanced_accuracy", "share of a class's rows, in [0, 1]", "higher", "mean over classes"),
        Metric("macro_f1", "harmonic mean of precision and recall, in [0, 1]", "higher", "mean over classes"),
        Metric("log_loss", "nats; probabilities below 2e-16 count as that", "lower", ROWS),
        Metric("roc_auc", "in [0, 1]; of two classes, by the probability of the second", "higher", "over pairs"),
        Metric("rmse", "the target's unit", "lower", "root of the mean square over rows"),
        Metric("mae", "the target's unit", "lower", ROWS),
        Metric("r2", "share of the split's variance, at most 1", "higher", "over rows"),
    )
}
PRIMARY: Mapping[str, str] = {"classification": "accuracy", "regression": "r2"}
"""By task, the metric that reports show first."""


def scores(predicted: Array, part: Part, data: TableData) -> dict[str, float]:
    """The metrics of a split by name (`METRICS`), of probabilities (N, K) or numbers (N,).

    `roc_auc` is there of two classes, where both occur in the split; `r2` where the split has two rows or more.
    """
    return dict(_of_classes(predicted, part, data) if data.classes else _of_numbers(predicted, part))


def _of_classes(probabilities_NK: Array, part: Part, data: TableData) -> Iterator[tuple[str, float]]:
    said_N = probabilities_NK.argmax(axis=1)
    recall = [float((said_N[part.y == k] == k).mean()) for k in np.unique(part.y)]
    yield "accuracy", float((said_N == part.y).mean())
    yield "balanced_accuracy", float(np.mean(recall))
    yield "macro_f1", float(metrics.f1_score(part.y, said_N, average="macro", zero_division=0))
    yield "log_loss", float(metrics.log_loss(part.y, probabilities_NK, labels=range(len(data.classes))))
    if len(data.classes) == 2 and len(np.unique(part.y)) == 2:
        yield "roc_auc", float(metrics.roc_auc_score(part.y, probabilities_NK[:, 1]))


def _of_numbers(predicted_N: Array, part: Part) -> Iterator[tuple[str, float]]:
    yield "rmse", float(np.sqrt(metrics.mean_squared_error(part.y, predicted_N)))
    yield "mae", float(metrics.mean_absolute_error(part.y, predicted_N))
    if len(part) > 1:
        yield "r2", float(metrics.r2_score(part.y, predicted_N))


def class_scores(predicted: Mapping[str, Array], data: TableData) -> pd.DataFrame:
    """A row for each split and class: split, class, precision, recall, f1 (all in [0, 1]), rows (their number)."""
    rows: list[dict[str, Any]] = []
    for split, part in data.parts.items():
        found = metrics.precision_recall_fscore_support(
            part.y, predicted[split].argmax(axis=1), labels=range(len(data.classes)), zero_division=0
        )
        for name, precision, recall, f1, number in zip(data.classes, *found, strict=True):
            about = {"split": split, "class": name, "precision": float(precision), "recall": float(recall)}
            rows.append({**about, "f1": float(f1), "rows": int(number)})
    return pd.DataFrame(rows)


def predictions(predicted: Array, part: Part, data: TableData) -> pd.DataFrame:
    """A row for each row of a split: row (its position in the table, from 0), truth, prediction.

    Classes by name, with `probability`, that of the class that is said; numbers in the target's unit.
    """
    if not data.classes:
        return pd.DataFrame({"row": part.rows, "truth": part.y, "prediction": predicted})
    names, said_N = np.asarray(data.classes, dtype=object), predicted.argmax(axis=1)
    told = {"row": part.rows, "truth": names[part.y], "prediction": names[said_N]}
    return pd.DataFrame({**told, "probability": predicted.max(axis=1)})
