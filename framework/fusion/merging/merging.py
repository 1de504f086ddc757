"""Models that were fine-tuned from one checkpoint, as one.

merge(models, base, method="ties")     one module; nothing is matched, for all have the base's hidden units
combine(models, base, config)          the same from a config, with what was chosen on val

A new method is a config in `config.py`, a file of its own, and a function here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from framework.config import Config
from framework.errors import InvalidInput, Problem
from framework.fusion.alignment import options_of
from framework.fusion.merging.config import (
    CONFIGS,
    Dare,
    Fisher,
    GreedySoup,
    RegMean,
    Soup,
    TaskArithmetic,
    Ties,
    needs_score,
)
from framework.fusion.merging.dare import drop_and_rescale
from framework.fusion.merging.fisher import fisher_information, fisher_mean
from framework.fusion.merging.regmean import regmean
from framework.fusion.merging.soup import greedy, uniform
from framework.fusion.merging.task import Batches, Classes, Merging, Score
from framework.fusion.merging.task_arithmetic import task_arithmetic
from framework.fusion.merging.ties import ties
from framework.fusion.merging.vectors import State, added, task_vectors
from framework.fusion.precision import inputs_for
from framework.metrics.classification import accuracy
from framework.models.batch import as_classes, as_inputs, call, count, joined, pieces, refuse_other_classes
from framework.models.graph import in_eval_mode

AT_A_TIME = 512  # inputs
Val = Iterable[Any]  # (inputs, labels), or batches of them


class Merged(NamedTuple):
    """What a method made, and what it chose.

    Attributes:
        model: A new module, as the first model is.
        chosen: `scale`, the factor of the task vector; of a greedy soup `kept`, the numbers of its models, counted
            from 0, in the order in which they were added; `val_score` of what was chosen among several.
    """

    model: nn.Module
    chosen: dict[str, Any]


def merge(
    models: Sequence[nn.Module],
    base: nn.Module | None = None,
    method: str = "ties",
    *,
    inputs: Batches = None,
    labels: Classes = None,
    val: Val | None = None,
    score: Score | None = None,
    **options: Any,
) -> nn.Module:
    """One module from models that were fine-tuned from one checkpoint.

    Args:
        models: One or more of one architecture; they are not changed. The result has the precision and the device
            of the first.
        base: The checkpoint; needed by `task_arithmetic`, `ties` and `dare`. What is no floating-point number
            (counters, masks) is taken from it, where it is given.
        method: A key of `framework.fusion.MERGING`.
        inputs: What the models take, N of the train split: a tensor or array (N, …), several in a tuple, or by
            name in a dict (`framework.models.batch`); or a list with such a batch for each model. `fisher` and
            `regmean` run the models on them; batch normalisation gets running statistics of its own from all.
        labels: Classes (N,) of the inputs, for `fisher` with `classes="given"`; a list where inputs are one.
        val: (inputs, labels) of the val split, or a loader of such batches, on whose accuracy `greedy_soup` and
            several `scales` are chosen.
        score: In place of `val`: any function of a module that tells how good it is on val; more is better.
        options: Of the method (`framework.fusion.merging.config`), such as `scales=[0.3]` or `density=0.1`.

    Raises:
        InvalidInput: no models, state dicts in place of modules, another architecture, NaN, a missing base,
            missing inputs, labels or val.
        ConfigError: a method that does not exist, or an option that it does not take.
    """
    config = options_of(method, options, CONFIGS, ("base", "method", "inputs", "labels", "val", "score"))
    return _merged(models, base, config, inputs, labels, val, score).model


def combine(
    models: Sequence[nn.Module],
    base: nn.Module | None,
    config: Config,
    *,
    inputs: Batches = None,
    labels: Classes = None,
    val: Val | None = None,
    score: Score | None = None,
) -> Merged:
    """As `merge`, from a config, with what was chosen.

    Raises:
        InvalidInput: as `merge`.
    """
    return _merged(models, base, config, inputs, labels, val, score)


def accuracy_on(val: Val) -> Score:
    """The function that tells a module's accuracy on inputs and their classes (N,), in eval mode.

    Raises:
        InvalidInput: there are no inputs, or not a class for each, among those of which the module has logits.
    """
    batches = [val] if _is_pair(val) else list(val) if isinstance(val, Iterable) else []
    if not batches or not all(map(_is_pair, batches)):
        message = f"is {type(val).__name__}; allowed: (inputs, labels), or a loader or list of such batches"
        raise InvalidInput([Problem("val", message)])
    inputs = joined([as_inputs(images, "val") for images, _ in batches])
    labels = torch.cat([as_classes(own, count(as_inputs(images)), "val") for images, own in batches]).cpu()

    def score(module: nn.Module) -> float:
        found = []
        with in_eval_mode(module):
            for piece in pieces(inputs, AT_A_TIME):
                logits_BK = call(module, inputs_for(module, piece))
                refuse_other_classes(labels, logits_BK.shape[1], "val")
                found.append(logits_BK.argmax(dim=1).cpu())
        return accuracy(torch.cat(found), labels)

    return score


def _is_pair(given: Any) -> bool:
    """Whether this is (inputs, labels), and no batch of such pairs."""
    return isinstance(given, tuple | list) and len(given) == 2 and not isinstance(given[1], tuple | list | Mapping)


def _merged(
    models: Sequence[nn.Module],
    base: nn.Module | None,
    config: Config,
    inputs: Batches,
    labels: Classes,
    val: Val | None,
    score: Score | None,
) -> Merged:
    """One frame below `merge` and `combine` alike, so that warnings are told of whoever calls them."""
    if val is not None and score is not None:
        raise InvalidInput([Problem("score", "and val are both given; allowed: one of them")])
    if score is not None and not callable(score):
        message = f"is {type(score).__name__}; allowed: a function of a module that gives a number"
        raise InvalidInput([Problem("score", message)])
    scorer = accuracy_on(val) if val is not None else score
    if needs_score(config) and scorer is None:
        message = "or score is needed to choose on: give val=(inputs, labels) of the val split"
        raise InvalidInput([Problem("val", message)])
    task = Merging.of(models, base, inputs, labels, scorer)
    parameters, chosen = MERGERS[type(config)](task, config)
    numbers = chosen.get("kept", range(len(task.models)))
    return Merged(task.built(parameters, numbers, final=True), chosen)


Found = tuple[State, dict[str, Any]]


def _soup(task: Merging, config: Soup) -> Found:
    return uniform(task.states), {}


def _greedy_soup(task: Merging, config: GreedySoup) -> Found:
    def soup(numbers: Sequence[int]) -> State:
        return uniform([task.states[number] for number in numbers])

    found = greedy(len(task.states), lambda numbers: task.scored(task.built(soup(numbers), numbers, final=False)))
    return soup(found.kept), {"kept": found.kept, "val_score": found.score}


def _task_arithmetic(task: Merging, config: TaskArithmetic) -> Found:
    return _scaled(task, task_arithmetic(task_vectors(task.base, task.states)), config.scales)


def _ties(task: Merging, config: Ties) -> Found:
    return _scaled(task, ties(task_vectors(task.base, task.states), config.density), config.scales)


def _dare(task: Merging, config: Dare) -> Found:
    left = drop_and_rescale(task_vectors(task.base, task.states), config.drop_rate, config.seed)
    vector = ties(left, config.then.density) if isinstance(config.then, Ties) else task_arithmetic(left)
    return _scaled(task, vector, config.then.scales)


def _fisher(task: Merging, config: Fisher) -> Found:
    inputs, labels = task.drawn(config.num_samples, config.seed)
    information = [
        fisher_information(
            model, own, None if labels is None else labels[number], classes=config.classes, seed=config.seed
        )
        for number, (model, own) in enumerate(zip(task.models, inputs, strict=True))
    ]
    return fisher_mean(task.states, information, config.floor), {}


def _regmean(task: Merging, config: RegMean) -> Found:
    inputs, _ = task.drawn(config.num_samples, config.seed)
    return regmean(task.models, inputs, config), {}


def _scaled(task: Merging, vector: State, scales: Sequence[float]) -> Found:
    """The base and so much of the task vector; of several factors that which scores best on val."""
    if len(scales) == 1:
        return added(task.base, vector, scales[0]), {"scale": scales[0]}
    every = range(len(task.models))
    found = [task.scored(task.built(added(task.base, vector, scale), every, final=False)) for scale in scales]
    best = max(range(len(scales)), key=found.__getitem__)  # the first of equal ones
    return added(task.base, vector, scales[best]), {"scale": scales[best], "val_score": found[best]}


MERGERS: dict[type[Config], Callable[[Merging, Any], Found]] = {
    Soup: _soup,
    GreedySoup: _greedy_soup,
    TaskArithmetic: _task_arithmetic,
    Ties: _ties,
    Dare: _dare,
    Fisher: _fisher,
    RegMean: _regmean,
}
