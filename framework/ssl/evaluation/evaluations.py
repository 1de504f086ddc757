"""The evaluations by name: what each makes of a model and a task, fitted on train, chosen on val, for all of test.

Shapes: N images of test, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fields import nearest
from framework.ssl.evaluation.features import Features, features_of
from framework.ssl.evaluation.finetune import EPOCHS, fine_tune
from framework.ssl.evaluation.knn import NEIGHBOURS, TEMPERATURE, Weights, knn_scores
from framework.ssl.evaluation.probe import fit_probe
from framework.ssl.evaluation.tasks import Task

Device = torch.device | str | None


@dataclass(frozen=True)
class Options:
    """What the evaluations can be told; see `knn.py` and `finetune.py`.

    Without a k, 200 neighbours vote, or all of train where it has fewer.
    """

    k: int | None = None
    temperature: float = TEMPERATURE
    weights: Weights = "distance"
    epochs: int = EPOCHS
    seed: int = 0
    device: Device = None


def class_scores(
    evaluation: str, model: nn.Module, task: Task, options: Options = Options()
) -> tuple[Tensor, str]:
    """The scores of each class for each image of test, (N, C), and what there is to note of the evaluation.

    Raises:
        InvalidInput, TrainingDiverged: as the evaluations.
    """
    if evaluation not in EVALUATIONS:
        raise InvalidInput([Problem("evaluation", f"is {evaluation!r}; {nearest(evaluation, list(EVALUATIONS))}")])
    return EVALUATIONS[evaluation](model, task, options)


def _linear(model: nn.Module, task: Task, options: Options) -> tuple[Tensor, str]:
    train, val, test = (_features(model, task, part, options) for part in ("train", "val", "test"))
    probe = fit_probe(train, val, task.num_classes)
    ended = "" if probe.converged else f", not converged (gradient {probe.gradient:.1e})"
    edge = ", at the end of the grid" if probe.at_end else ""
    return probe.scores(test.features), f"l2 = {probe.l2:g} chosen on val{edge}{ended}"


def _knn(model: nn.Module, task: Task, options: Options) -> tuple[Tensor, str]:
    train, test = (_features(model, task, part, options) for part in ("train", "test"))
    k = min(NEIGHBOURS, len(train)) if options.k is None else options.k
    scores_NC = knn_scores(
        test.features,
        train.features,
        train.labels,
        task.num_classes,
        k=k,
        temperature=options.temperature,
        weights=options.weights,
        indices_Q=test.indices if task.one_origin else None,
        indices_N=train.indices,
    )
    way = f"t = {options.temperature:g}" if options.weights == "distance" else "plain vote"
    return scores_NC, f"k = {k}, {way}, bank train"


def _finetune(model: nn.Module, task: Task, options: Options) -> tuple[Tensor, str]:
    tuned = fine_tune(
        model, task.train, task.num_classes, epochs=options.epochs, seed=options.seed, device=options.device
    )
    return features_of(tuned, task.test.images), f"{options.epochs} epochs, seed {options.seed}"


EVALUATIONS: dict[str, Callable[[nn.Module, Task, Options], tuple[Tensor, str]]] = {
    "linear": _linear,
    "knn": _knn,
    "finetune": _finetune,
}


def _features(model: nn.Module, task: Task, part: str, options: Options) -> Features:
    chosen = getattr(task, part)
    return Features(features_of(model, chosen.images, device=options.device), chosen.labels, chosen.indices)
