"""Drawing the next point of a random or Bayesian sweep, with Optuna's samplers.

Each draw makes a study of its own from the trials that it is given and leaves nothing behind: what the database
holds is all there is to lose. The seed is made of the sweep's id and the number of the point, so a sweep draws the
same points whatever happens to the server in between; a Bayesian one as far as its runs end alike.

For `bayes` it is the tree-structured Parzen estimator (Bergstra et al., Algorithms for Hyper-Parameter
Optimization, NeurIPS 2011), over all parameters jointly. Runs in flight count as bad ones (`constant_liar`), so
that agents that ask at the same time get points apart. Not Optuna's Gaussian process, though W&B's own search is
one: it needs torch, and this server stays small and starts fast without it.

Optuna is imported with the first draw: the server starts without it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from framework.search.distributions import Axis
from framework.search.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

STARTUP_TRIALS = 10
"""Points that `bayes` draws at random before it looks at results."""


@dataclass(frozen=True)
class Trial:
    """A point that was drawn before, and what became of it. `loss` is there if it ended with a usable value."""

    coordinates: Sequence[float]
    state: Literal["open", "ended"]
    loss: float | None = None


def seed_of(sweep: str, index: int) -> int:
    """The seed of a point: 32 bits of the SHA-256 of the sweep's id and the number of the point."""
    return int.from_bytes(hashlib.sha256(f"{sweep}:{index}".encode()).digest()[:4], "big")


def draw(method: str, space: Space, seed: int, trials: Sequence[Trial] = ()) -> list[float]:
    """The coordinates of the next point, one for each axis of the space, in order.

    A run that ended without a value counts as the worst (W&B's `impute: worst`). Trials whose coordinates do not
    fit the space are left out; `random` looks at none.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {str(number): _distribution(axis) for number, axis in enumerate(space.axes.values())}
    sampler: BaseSampler
    if method == "random":
        sampler, known = optuna.samplers.RandomSampler(seed=seed), []
    else:
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed
        )
        known = [frozen for trial in trials if (frozen := _frozen(trial, distributions)) is not None]
    study = optuna.create_study(sampler=sampler)
    study.add_trials(known)
    params: Mapping[str, Any] = study.ask(fixed_distributions=distributions).params
    return [params[name] for name in distributions]


def warm() -> None:
    """Import what drawing needs (0.4 s), so that no agent waits for it."""
    import optuna.samplers  # noqa: F401


def _distribution(axis: Axis) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.kind == "choice":
        return CategoricalDistribution(range(int(axis.high) + 1))
    if axis.kind == "integer":
        return IntDistribution(int(axis.low), int(axis.high))
    return FloatDistribution(axis.low, axis.high)


def _frozen(trial: Trial, distributions: Mapping[str, "BaseDistribution"]) -> "FrozenTrial | None":
    from optuna.trial import TrialState, create_trial

    if len(trial.coordinates) != len(distributions):
        return None
    params = dict(zip(distributions, trial.coordinates, strict=True))
    if trial.state == "open":
        state = TrialState.RUNNING
    else:  # a pruned trial without a value ranks behind every complete one
        state = TrialState.PRUNED if trial.loss is None else TrialState.COMPLETE
    return create_trial(state=state, value=trial.loss, params=params, distributions=dict(distributions))
