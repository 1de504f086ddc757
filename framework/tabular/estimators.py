"""The models that scikit-learn brings, one table of them. They leave no artifact: its own format is a pickle.

Shapes: N rows, F features, K classes.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor  # type: ignore[import-untyped]
from sklearn.ensemble import (  # type: ignore[import-untyped]
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge  # type: ignore[import-untyped]
from sklearn.metrics import log_loss, mean_squared_error  # type: ignore[import-untyped]
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor  # type: ignore[import-untyped]

from framework.config import Config
from framework.data.tabular.loading import Part, TableData
from framework.seeds import unsigned
from framework.tabular.config import Dummy, GradientBoosting, LogisticOrRidge, Neighbours, RandomForest

Array = npt.NDArray[np.float64]
Predict = Callable[[Array], Array]
"""Features (N, F) to the probabilities of the classes (N, K), or to numbers (N,) in the target's unit."""
MOST_STEPS, TOLERANCE = 10_000, 1e-8


def _linear(config: LogisticOrRidge, data: TableData, seed: int) -> Any:
    if data.classes:
        return LogisticRegression(C=1 / config.penalty, max_iter=MOST_STEPS, tol=TOLERANCE)
    return Ridge(alpha=config.penalty)


def _neighbours(config: Neighbours, data: TableData, seed: int) -> Any:
    chosen = KNeighborsClassifier if data.classes else KNeighborsRegressor
    return chosen(n_neighbors=min(config.num_neighbours, len(data.train)))


def _forest(config: RandomForest, data: TableData, seed: int) -> Any:
    chosen = RandomForestClassifier if data.classes else RandomForestRegressor
    return chosen(n_estimators=config.num_trees, random_state=seed)


def _boosting(config: GradientBoosting, data: TableData, seed: int) -> Any:
    chosen = HistGradientBoostingClassifier if data.classes else HistGradientBoostingRegressor
    return chosen(
        learning_rate=config.learning_rate,
        max_iter=config.max_trees,
        max_leaf_nodes=config.max_leaves,
        early_stopping=False,  # it would hold back rows of train; val is there for that
        random_state=seed,
    )


def _dummy(config: Dummy, data: TableData, seed: int) -> Any:
    return DummyClassifier(strategy="prior") if data.classes else DummyRegressor(strategy="mean")


ESTIMATORS: Mapping[str, Callable[[Any, TableData, int], Any]] = {
    "logistic_or_ridge": _linear,
    "nearest_neighbours": _neighbours,
    "random_forest": _forest,
    "gradient_boosting": _boosting,
    "dummy": _dummy,
}
"""By kind, what makes the estimator of a config.

The dummy gives each class its share of train as its probability, so that it says the most frequent one, and its
log loss is the entropy of the classes.
"""


def fit_estimator(config: Config, data: TableData, seed: int) -> tuple[Predict, dict[str, int]]:
    """The prediction of the estimator of a config, fitted on train, and what val has chosen, by name."""
    kind: str = getattr(config, "kind", "")
    fitted = ESTIMATORS[kind](config, data, unsigned(seed) % 2**32).fit(data.train.x, data.train.y)
    if not isinstance(config, GradientBoosting):
        return _predict(fitted, data, "predict"), {}
    chosen = best_stage(fitted, data)
    return _predict(fitted, data, "staged_predict", chosen), {"num_trees": chosen}


def best_stage(fitted: Any, data: TableData) -> int:
    """The number of boosting rounds with the least log loss or squared error on val; the first of equal ones."""
    losses = [loss(predicted, data.val, data) for predicted in _stages(fitted, data)(data.val.x)]
    return int(np.argmin(losses)) + 1


def loss(predicted: Array, part: Part, data: TableData) -> float:
    """The log loss of probabilities (N, K), or the mean squared error of numbers (N,)."""
    if data.classes:
        return float(log_loss(part.y, predicted, labels=range(len(data.classes))))
    return float(mean_squared_error(part.y, predicted))


def _stages(fitted: Any, data: TableData) -> Callable[[Array], Any]:
    method = "staged_predict_proba" if data.classes else "staged_predict"
    return lambda x: (_whole(fitted, predicted, data) for predicted in getattr(fitted, method)(x))


def _predict(fitted: Any, data: TableData, method: str, stage: int = 0) -> Predict:
    if stage:
        return lambda x: next(itertools.islice(_stages(fitted, data)(x), stage - 1, None))
    chosen = getattr(fitted, f"{method}_proba" if data.classes else method)
    return lambda x: _whole(fitted, chosen(x), data)


def _whole(fitted: Any, predicted: Array, data: TableData) -> Array:
    """With a column of zeros for each class that train lacks; numbers as they are."""
    if not data.classes or predicted.shape[1] == len(data.classes):
        return np.asarray(predicted, dtype=np.float64)
    probabilities_NK = np.zeros((len(predicted), len(data.classes)))
    probabilities_NK[:, fitted.classes_] = predicted
    return probabilities_NK
