"""Scikit-learn's models: what val chooses, closed forms, and classes that train lacks."""

import math

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_squared_error

from framework.data.tabular import TableConfig, load_table
from framework.data.tabular.loading import Part, TableData
from framework.tabular.config import Dummy, GradientBoosting, LogisticOrRidge, Neighbours, RandomForest
from framework.tabular.estimators import fit_estimator


@pytest.fixture(scope="module")
def wine():
    return load_table(TableConfig(name="wine"), 0)


@pytest.fixture(scope="module")
def diabetes():
    return load_table(TableConfig(name="diabetes"), 0)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_ridge_is_its_closed_form(diabetes, penalty):
    predict, _ = fit_estimator(LogisticOrRidge(penalty=penalty), diabetes, 0)
    x, y = diabetes.train.x, diabetes.train.y
    centred = x - x.mean(axis=0)
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
    expected = (diabetes.test.x - x.mean(axis=0)) @ weights + y.mean()
    assert np.allclose(predict(diabetes.test.x), expected)


def test_logistic_regression_stands_where_its_gradient_vanishes(wine):
    """Σ (p - onehot) x + λ w = 0, with w of each class: scikit-learn's are the symmetric ones."""
    penalty = 2.0
    predict, _ = fit_estimator(LogisticOrRidge(penalty=penalty), wine, 0)
    x = wine.train.x
    errors = predict(x) - np.eye(3)[wine.train.y]
    weights = -(x.T @ errors) / penalty
    bias = np.log(predict(x)) - x @ weights
    bias = bias - bias.mean(axis=1, keepdims=True)
    assert np.abs(bias - bias.mean(axis=0)).max() < 1e-4, "one bias a class gives all probabilities"
    assert np.abs(errors.sum(axis=0)).max() < 1e-4


def test_neighbours_are_the_nearest(diabetes):
    predict, _ = fit_estimator(Neighbours(num_neighbours=3), diabetes, 0)
    distances = np.linalg.norm(diabetes.test.x[:, None] - diabetes.train.x[None], axis=2)
    expected = diabetes.train.y[np.argsort(distances, axis=1)[:, :3]].mean(axis=1)
    assert np.allclose(predict(diabetes.test.x), expected)
    everyone, _ = fit_estimator(Neighbours(num_neighbours=10_000), diabetes, 0)
    assert np.allclose(everyone(diabetes.test.x), diabetes.train.y.mean())


def test_the_dummy_knows_what_train_says_without_features(wine, diabetes):
    predict, _ = fit_estimator(Dummy(), wine, 0)
    assert np.allclose(predict(wine.test.x), np.bincount(wine.train.y) / len(wine.train))
    predict, _ = fit_estimator(Dummy(), diabetes, 0)
    assert np.allclose(predict(diabetes.test.x), diabetes.train.y.mean())


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_val_chooses_the_number_of_trees(name):
    """As fits of every length, one by one, say it."""
    data = load_table(TableConfig(name=name), 1)
    config = GradientBoosting(max_trees=12, learning_rate=0.5)
    predict, chosen = fit_estimator(config, data, 0)
    kind = HistGradientBoostingClassifier if data.classes else HistGradientBoostingRegressor
    found = []
    for trees in range(1, 13):
        model = kind(max_iter=trees, learning_rate=0.5, early_stopping=False, random_state=0)
        model.fit(data.train.x, data.train.y)
        say = model.predict_proba if data.classes else model.predict
        loss = log_loss if data.classes else mean_squared_error
        found.append((loss(data.val.y, say(data.val.x)), trees, say(data.test.x)))
    _, trees, expected = min(found, key=lambda one: one[:2])
    assert chosen == {"num_trees": trees}
    assert np.allclose(predict(data.test.x), expected)


def test_forests_follow_their_seed(wine):
    config = RandomForest(num_trees=5)
    first, again, other = (fit_estimator(config, wine, seed)[0](wine.test.x) for seed in (1, 1, -1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_that_train_lacks_is_never_said():
    part = Part(np.arange(4.0)[:, None], np.array([0, 0, 2, 2]), np.arange(4))
    data = TableData("made", "classification", "y", ("x",), ("a", "b", "c"), "", part, part, part)
    predict, _ = fit_estimator(LogisticOrRidge(), data, 0)
    found = predict(part.x)
    assert found.shape == (4, 3)
    assert not found[:, 1].any()
    assert found.argmax(axis=1).tolist() == [0, 0, 2, 2]
    assert math.isclose(found.sum(), 4)
