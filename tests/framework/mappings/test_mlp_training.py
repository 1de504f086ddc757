"""Training in batches against one perceptron at a time with torch.optim.Adam."""

import numpy as np
import pytest
import torch
from torch import nn

from framework.errors import TrainingDiverged
from framework.mappings import mlp_training
from framework.mappings.mlp_network import first_weights, forward, views
from framework.mappings.mlp_recipe import Cell, Recipe
from framework.mappings.mlp_training import train

RECIPE = Recipe(hidden=16, epochs=40, patience=6)


def cell(n=60, ridge=0.0, seed=0, d=5, e=3):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, d)) * [3, 1, 1, 0.1, 1][:d] + 2
    return Cell(z, np.tanh(z @ rng.normal(size=(d, e))) * 5 + rng.normal(size=(n, e)), ridge)


def scaled(part, mean, scale):
    return (torch.tensor(part, dtype=torch.float32) - mean) / scale


def one_by_one(cell, recipe):
    """The held-out error after each epoch, and the parameters, by torch alone."""
    train_on, held = recipe.split(len(cell.inputs))
    z, y = cell.inputs, cell.targets
    mean_z, std_z, mean_y, std_y = (
        torch.tensor(part, dtype=torch.float32)
        for part in (z[train_on].mean(0), z[train_on].std(0), y[train_on].mean(0), y[train_on].std(0))
    )
    layers = recipe.layers(cell)
    model = [part[0].clone().requires_grad_() for part in views(first_weights(recipe.seed, layers)[None], layers)]
    optimiser = torch.optim.Adam(model, lr=recipe.learning_rate, weight_decay=cell.ridge)
    errors, states = [], []
    for epoch in range(1, recipe.epochs + 1):
        first, second = recipe.dropout_factors(len(train_on), epoch)
        hidden = nn.functional.gelu(scaled(z[train_on], mean_z, std_z) @ model[0] + model[1]) * first
        hidden = nn.functional.gelu(hidden @ model[2] + model[3]) * second
        loss = nn.functional.mse_loss(hidden @ model[4] + model[5], scaled(y[train_on], mean_y, std_y))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            hidden = nn.functional.gelu(scaled(z[held], mean_z, std_z) @ model[0] + model[1])
            output = nn.functional.gelu(hidden @ model[2] + model[3]) @ model[4] + model[5]
            mapped = output * std_y + mean_y
        errors.append(float((mapped - torch.tensor(y[held], dtype=torch.float32)).square().mean()))
        states.append([part.detach().clone() for part in model])
    return errors, states


def stopping_epoch(errors, recipe):
    """The epoch of the best weights, were training stopped as the recipe says."""
    best = 0
    for epoch in range(1, len(errors) + 1):
        if not best or errors[epoch - 1] < errors[best - 1]:
            best = epoch
        if epoch - best >= recipe.patience and epoch >= recipe.min_epochs:
            break
    return best


@pytest.mark.parametrize("n", [3, 5, 60])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_equals_one_perceptron_at_a_time_with_torchs_adam(n, ridge):
    given = cell(n, ridge)
    (trained,) = train([given], RECIPE)
    errors, states = one_by_one(given, RECIPE)
    assert trained.epoch == stopping_epoch(errors, RECIPE)
    assert trained.error == pytest.approx(errors[trained.epoch - 1], rel=1e-4)
    for part, expected in zip(trained.parameters, states[trained.epoch - 1], strict=True):
        torch.testing.assert_close(part, expected, atol=1e-4, rtol=1e-4)


def test_the_best_weights_are_kept_and_not_the_last():
    recipe = Recipe(hidden=16, epochs=60, patience=60, learning_rate=0.05)
    (trained,) = train([cell(30)], recipe)
    errors, _ = one_by_one(cell(30), recipe)
    assert trained.epoch < 60
    assert trained.error == pytest.approx(min(errors), rel=1e-3)
    assert trained.error < errors[-1]


def test_training_stops_when_patience_ends_but_not_before_the_least_epochs(monkeypatch):
    epochs = []
    step = mlp_training._step
    monkeypatch.setattr(mlp_training, "_step", lambda *given: (epochs.append(given[-1]), step(*given)))
    hopeless = Recipe(hidden=16, epochs=100, patience=4, learning_rate=1.0, dropout=0.5)
    (trained,) = train([cell(30)], hopeless)
    assert epochs[-1] == trained.epoch + 4 < 100
    epochs.clear()
    train([cell(30)], Recipe(hidden=16, epochs=100, patience=1, min_epochs=33, learning_rate=1.0))
    assert epochs[-1] >= 33


def test_a_cell_does_not_depend_on_what_is_trained_with_it(monkeypatch):
    cells = [cell(n, ridge, seed) for n, seed in ((60, 0), (7, 1), (60, 2), (3, 3)) for ridge in (0.0, 0.1, 3.0)]
    together = train(cells, RECIPE)
    monkeypatch.setattr(mlp_training, "AT_ONCE", 1)
    for given, one, small in zip(cells, together, train(cells, RECIPE), strict=True):
        (alone,) = train([given], RECIPE)
        assert one.epoch == alone.epoch == small.epoch
        for part, expected, other in zip(one.parameters, alone.parameters, small.parameters, strict=True):
            torch.testing.assert_close(part, expected, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(part, other, atol=1e-4, rtol=1e-4)


def test_weight_decay_shrinks_the_weights():
    none, some, more = (
        sum(float(part.square().sum()) for part in trained.parameters)
        for trained in train([cell(60, ridge) for ridge in (0, 0.02, 0.2)], RECIPE)
    )
    assert none > some > more


def test_the_seed_changes_the_result_and_the_same_seed_does_not():
    first, again = train([cell()], RECIPE)[0], train([cell()], RECIPE)[0]
    other = train([cell()], Recipe(hidden=16, epochs=40, patience=6, seed=1))[0]
    assert torch.equal(first.parameters[0], again.parameters[0])
    assert not torch.equal(first.parameters[0], other.parameters[0])


def test_a_correction_starts_at_zero_and_is_never_worse_than_none():
    cells = [cell(n, ridge, seed) for n in (3, 10, 40) for ridge in (0.0, 10.0) for seed in range(4)]
    zeros = 0
    for given, trained in zip(cells, train(cells, RECIPE, corrects=True), strict=True):
        _, held = RECIPE.split(len(given.inputs))
        assert trained.error <= (given.targets[held] ** 2).mean() * (1 + 1e-6)
        assert not trained.scaling.target_mean.any()
        zeros += trained.epoch == 0
        if trained.epoch == 0:
            assert not trained.parameters[4].any()
            assert not trained.parameters[5].any()
    assert zeros < len(cells)


def test_the_error_is_in_squared_latents():
    given = cell(60)
    (trained,) = train([given], RECIPE)
    _, held = RECIPE.split(60)
    s = trained.scaling
    x = scaled(given.inputs[held], s.input_mean.sum(0), s.input_scale)
    output = forward(x[None], [part[None] for part in trained.parameters])[-1][0] * s.target_scale
    output = output + s.target_mean.sum(0)
    assert trained.error == pytest.approx(((output.numpy() - given.targets[held]) ** 2).mean(), rel=1e-5)


def test_a_training_that_never_has_a_finite_error_is_an_error():
    with pytest.raises(
        TrainingDiverged, match=r"60 samples had a finite .* no epoch, with the learning rate 1e\+30"
    ):
        train([cell()], Recipe(hidden=16, epochs=3, learning_rate=1e30))
