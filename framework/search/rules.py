"""When a sweep is over and when its runs are stopped: `metric` and `early_terminate` of a definition.

Names, keys and defaults are those of W&B's sweep schema: `goal: minimize`, and for hyperband `eta: 3`,
`strict: true`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from framework.errors import Problem
from framework.search.bounds import is_number

GOALS = ("minimize", "maximize")
METRIC_KEYS = ("name", "goal", "target", "impute", "impute_while_running")
HYPERBAND_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


def metric_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the metric of a definition, or with its absence."""
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
            "metric.impute_while_running",
            "this server looks at ended runs only: write 'false', or nothing",
        )


def early_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the early stopping of a definition."""
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


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
