"""PED-ANOVA (Watanabe, Bansal & Hutter 2023), as Optuna computes it: for points that were drawn, not laid out.

It tells how much each factor decides whether a run is among the best tenth; it knows neither pairs nor seeds, and
its shares sum to 1 whatever the seeds do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from framework.importance import Effect, Importance, Levels, Method

METHOD: Method = "PED-ANOVA"
FEWEST = 10
"""Runs from which on the best tenth is at least one."""
WIDE = 100.0


def ped_anova(factors: Levels, values: Sequence[float], *, maximize: bool = False) -> Importance:
    """The importance of each factor for being among the best tenth. `values` (runs): the metric."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    metric = np.asarray(values, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(metric)).tolist()
    lost = metric.size - len(known)
    notes = [f"{lost:,} of {metric.size:,} runs have no finite value and are left out"] if lost else []
    spaces = {name: _space([given[i] for i in known]) for name, given in factors.items()}
    varying = {name: space for name, space in spaces.items() if space is not None}
    if len(known) < FEWEST or not varying:
        notes.append(f"it takes {FEWEST} runs, here are {len(known)}" if varying else "no factor varies")
        return Importance(METHOD, runs=len(known), notes=tuple(notes))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize" if maximize else "minimize")
        for i in known:
            here = {name: space for name, space in varying.items() if not is_absent(factors[name][i])}
            study.add_trial(
                optuna.trial.create_trial(
                    params={name: space.value(factors[name][i]) for name, space in here.items()},
                    distributions={name: space.distribution for name, space in here.items()},
                    value=float(metric[i]),
                )
            )
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    finally:
        optuna.logging.set_verbosity(before)
    effects = sorted((Effect((name,), share) for name, share in shares.items()), key=lambda effect: -effect.share)
    return Importance(METHOD, effects, runs=len(known), notes=tuple(notes))


class Space(NamedTuple):
    """What a factor was drawn from, as far as its values tell."""

    distribution: Any

    def value(self, given: Any) -> Any:
        """A value as the distribution holds it."""
        return float(given) if hasattr(self.distribution, "high") else repr(given)


def _space(given: Sequence[Any]) -> Space | None:
    """The space of the values that there are; None where they are all the same.

    Positive numbers that span more than two powers of ten are read on a logarithmic scale.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    there = [value for value in given if not is_absent(value)]
    if len({repr(value) for value in there}) < 2:
        return None
    if any(isinstance(value, bool) or not isinstance(value, int | float | np.number) for value in there):
        return Space(CategoricalDistribution(sorted({repr(value) for value in there})))
    low, high = float(min(there)), float(max(there))
    if not low < high:
        return None
    return Space(FloatDistribution(low, high, log=low > 0 and high / low > WIDE))


def is_absent(value: object) -> bool:
    """Whether a run has no such factor: None, or NaN as frames have it."""
    return value is None or bool(value != value)  # noqa: PLR0124
