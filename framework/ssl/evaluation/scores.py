"""How well classes are told, from class scores: accuracy, class average, precision, recall, confusion.

With k = 1 an image is predicted as the class with the largest score; of equal ones, that with the lowest number.
With a larger k an image counts as predicted right where its class is among the k largest scores, and as the first
class otherwise (as torchmetrics has it). So

    accuracy        share of the images that are predicted right: top-1, top-3, …
    class_average   mean over classes of that share: macro recall
    precision, recall   as scikit-learn has them, with its `average`: macro (mean over classes), weighted (by the
                    classes' images), micro (over images, which makes either the accuracy). Classes are those that
                    occur, as labels or as predictions; what has no image counts 0.

Shapes: N images, C classes.
"""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from sklearn import metrics  # type: ignore[import-untyped]
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.metrics.metric import Metric
from framework.values import is_number

Average = Literal["macro", "micro", "weighted"]
METRICS = {
    "accuracy": Metric(
        "accuracy", "share of images that are predicted right, in [0, 1]", "higher", "mean over images"
    ),
    "class_average": Metric(
        "class_average",
        "share of a class's images that are predicted right, in [0, 1]",
        "higher",
        "mean over classes",
    ),
    "precision": Metric(
        "precision", "share of the images predicted as a class that are of it, in [0, 1]", "higher", "by `average`"
    ),
    "recall": Metric(
        "recall", "share of a class's images that are predicted right, in [0, 1]", "higher", "by `average`"
    ),
}
ALIASES = {
    "acc": "accuracy",
    "top1": "accuracy",
    "balanced_accuracy": "class_average",
    "average_accuracy": "class_average",
    "sensitivity": "recall",
}


def metric_named(name: str) -> str:
    """The name in `METRICS` that is meant; `ALIASES` has others.

    Raises:
        InvalidInput: there is none of this name; the nearest is told.
    """
    key = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    found = ALIASES.get(key, key)
    if found not in METRICS:
        raise InvalidInput([Problem("metric", f"is {name!r}; {nearest(key, [*METRICS, *ALIASES])}")])
    return found


def score(
    scores_NC: Tensor, labels_N: Tensor, metric: str = "accuracy", *, top_k: int = 1, average: Average = "macro"
) -> float:
    """One score, in [0, 1]. `average` concerns precision and recall alone.

    Raises:
        InvalidInput: as `metric_named` and `predictions`; another average.
    """
    name = metric_named(metric)
    if average not in get_args(Average):
        told = nearest(str(average), get_args(Average))
        raise InvalidInput(
            [Problem("average", f"is {average!r}; {told}; allowed: {', '.join(get_args(Average))}")]
        )
    found, labels = predictions(scores_NC, labels_N, top_k).numpy(), labels_N.cpu().numpy()
    if name == "accuracy":
        return float(metrics.accuracy_score(labels, found))
    if name == "class_average":
        return float(metrics.recall_score(labels, found, labels=np.unique(labels), average="macro"))
    measure = metrics.precision_score if name == "precision" else metrics.recall_score
    return float(measure(labels, found, average=average, zero_division=0))


def predictions(scores_NC: Tensor, labels_N: Tensor, top_k: int = 1) -> Tensor:
    """The predicted class of each image, (N,) on the CPU; see the module's docstring for a larger k.

    Raises:
        InvalidInput: no k from 1 to the classes; scores and labels that do not belong together; NaN.
    """
    _refuse(scores_NC, labels_N, top_k)
    scores_NC, labels_N = scores_NC.detach().cpu(), labels_N.cpu()
    own_N1 = scores_NC.gather(1, labels_N[:, None])
    before_NC = torch.arange(scores_NC.shape[1]) < labels_N[:, None]
    ranks_N = ((scores_NC > own_N1) | ((scores_NC == own_N1) & before_NC)).sum(dim=1)
    return torch.where(ranks_N < top_k, labels_N, scores_NC.argmax(dim=1))


def confusion(scores_NC: Tensor, labels_N: Tensor, *, normalise: bool = True) -> npt.NDArray[np.float64]:
    """How many images of each class (rows) are predicted as each class (columns), (C, C).

    Normalised, each row is divided by its sum; the row of a class without images is NaN.

    Raises:
        InvalidInput: as `predictions`.
    """
    found, classes = predictions(scores_NC, labels_N), np.arange(scores_NC.shape[1])
    counts = metrics.confusion_matrix(labels_N.cpu().numpy(), found.numpy(), labels=classes).astype(np.float64)
    if not normalise:
        return np.asarray(counts)
    sums = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, sums, out=np.full_like(counts, np.nan), where=sums > 0))


def _refuse(scores_NC: Tensor, labels_N: Tensor, top_k: int) -> None:
    if scores_NC.ndim != 2 or labels_N.shape != scores_NC.shape[:1] or 0 in scores_NC.shape:
        message = (
            f"have the shape {tuple(scores_NC.shape)}, labels {tuple(labels_N.shape)}; allowed: (N, C) and (N,)"
        )
        raise InvalidInput([Problem("scores", message)])
    classes, problems = scores_NC.shape[1], []
    if not (is_number(top_k, whole=True) and 1 <= top_k <= classes):
        message = f"is {top_k!r}, and there are {classes} classes; allowed: 1 to {classes}"
        problems.append(Problem("top_k", message))
    if not 0 <= int(labels_N.min()) <= int(labels_N.max()) < classes:
        message = f"are {int(labels_N.min())} to {int(labels_N.max())}; allowed: 0 to {classes - 1}"
        problems.append(Problem("labels", message))
    if bad := int(scores_NC.isnan().any(dim=1).sum()):
        problems.append(
            Problem("scores", f"{bad} of {len(scores_NC)} rows hold NaN; the model that gave them diverged")
        )
    if problems:
        raise InvalidInput(problems, "scores")
