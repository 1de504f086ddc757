"""A sweep definition read whole: its points or its space, its metric, and when runs are stopped early.

Every problem is found before anything is stored, and all are told together. Defaults are those of W&B's schema:
`goal: minimize`, and for hyperband `eta: 3`, `strict: true`. This module does not know the database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from framework.definition import Definition, parse, problems_of
from framework.errors import DefinitionError, Problem
from launch.server.search.bounds import is_number
from launch.server.search.hyperband import Hyperband
from launch.server.search.metric import Metric
from launch.server.search.space import Space, read_space

GOALS = ("minimize", "maximize")
METRIC_KEYS = ("name", "goal", "target", "impute", "impute_while_running")
HYPERBAND_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


@dataclass(frozen=True)
class Search:
    """A definition and what follows from it. `space` is None for a grid, whose points are listed."""

    definition: Definition
    space: Space | None
    metric: Metric | None
    hyperband: Hyperband | None


@lru_cache(maxsize=64)
def read_search(text: str, where: str = "") -> Search:
    """What the YAML `text` of a sweep stands for. Reading the same text again is free.

    Raises:
        DefinitionError: with every problem found.
    """
    data = parse(text, where)
    problems = list(problems_of(data))
    parameters = data.get("parameters")
    space = None
    if data.get("method") in ("random", "bayes") and isinstance(parameters, dict):
        before = len(problems)
        space = read_space(parameters, problems)
        if data["method"] == "bayes" and not space.axes and len(problems) == before:
            problems.append(Problem("parameters", "nothing varies; bayes needs at least one parameter to search"))
    problems += _metric_problems(data)
    problems += _early_problems(data)
    if problems:
        raise DefinitionError(problems, where)
    return Search(Definition(data, where), space, _metric(data.get("metric")), _hyperband(data))


def _metric_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    metric = data.get("metric")
    if metric is None:
        if data.get("method") == "bayes":
            yield Problem("metric", "is missing; bayes needs `metric: {name: …, goal: minimize or maximize}`")
        elif data.get("early_terminate") is not None:
            yield Problem("metric", "is missing; early_terminate compares runs by `metric: {name: …, goal: …}`")
        return
    if not isinstance(metric, dict):
        yield Problem("metric", f"is {metric!r}; write `metric: {{name: …, goal: minimize or maximize}}`")
        return
    for key in sorted(str(key) for key in metric.keys() - set(METRIC_KEYS)):
        yield Problem(f"metric.{key}", f"unknown key; allowed: {', '.join(METRIC_KEYS)}")
    if not isinstance(metric.get("name"), str) or not metric["name"]:
        yield Problem("metric.name", f"is {metric.get('name')!r}; the key of a value that the runs log is needed")
    if metric.get("goal", "minimize") not in GOALS:
        yield Problem("metric.goal", f"is {metric['goal']!r}; allowed: {', '.join(GOALS)}")
    target = metric.get("target")
    if target is not None and not is_number(target):
        yield Problem("metric.target", f"is {target!r}; a number is needed")
    if metric.get("impute", "worst") != "worst":
        message = f"is {metric['impute']!r}; this server counts a failed run as the worst: write worst, or nothing"
        yield Problem("metric.impute", message)
    if metric.get("impute_while_running", "false") not in ("false", False):
        yield Problem(
            "metric.impute_while_running", "this server looks at ended runs only: write 'false', or nothing"
        )


def _early_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    early = data.get("early_terminate")
    if early is None:
        return
    if not isinstance(early, dict):
        yield Problem(
            "early_terminate", f"is {early!r}; write `early_terminate: {{type: hyperband, min_iter: 3}}`"
        )
        return
    if early.get("type") != "hyperband":
        yield Problem("early_terminate.type", f"is {early.get('type')!r}; allowed: hyperband")
    for key in sorted(str(key) for key in early.keys() - set(HYPERBAND_KEYS)):
        yield Problem(f"early_terminate.{key}", f"unknown key; allowed: {', '.join(HYPERBAND_KEYS)}")
    if "min_iter" not in early and "max_iter" not in early:
        yield Problem("early_terminate", "needs `min_iter`, or `max_iter` and `s`")
    if "max_iter" in early and "s" not in early and "min_iter" not in early:
        yield Problem("early_terminate.s", "is missing; `max_iter` needs the number of bands below it")
    for key in ("min_iter", "max_iter", "s"):
        if key in early and not _is_whole(early[key]):
            yield Problem(f"early_terminate.{key}", f"is {early[key]!r}; a whole number above 0 is needed")
    eta = early.get("eta", 3)
    if not is_number(eta) or eta <= 1:
        yield Problem("early_terminate.eta", f"is {eta!r}; a number above 1 is needed")
    elif _is_whole(early.get("max_iter")) and early["max_iter"] < eta:
        message = f"is {early['max_iter']}; below eta ({eta:g}) there is no band"
        yield Problem("early_terminate.max_iter", message)
    if not isinstance(early.get("strict", True), bool):
        yield Problem("early_terminate.strict", f"is {early['strict']!r}; allowed: true, false")


def _metric(metric: Mapping[str, Any] | None) -> Metric | None:
    if metric is None:
        return None
    return Metric(metric["name"], metric.get("goal") == "maximize", metric.get("target"))


def _hyperband(data: Mapping[str, Any]) -> Hyperband | None:
    early = data.get("early_terminate")
    if early is None:
        return None
    return Hyperband(**{key: value for key, value in early.items() if key != "type"})


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
