import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import fuse
from framework.fusion.fusing import mean_of
from framework.fusion.regression import _Sums, _written, regress
from framework.fusion.repair import repair, reset_statistics
from framework.fusion.structure import structure_of
from framework.fusion.unfolding import CHUNK, Positions
from tests.framework.fusion.zoo import difference, images, module

HALVES = [0.5, 0.5]


def outputs_of(made, layer, inputs):
    seen = []
    hook = made.get_submodule(layer).register_forward_hook(lambda *values: seen.append(values[2].detach()))
    with torch.no_grad():
        made(inputs)
    hook.remove()
    return seen[0]


def test_repair_gives_every_unit_the_mean_and_the_spread_of_its_parents():
    parents = [module("mlp with bias"), module("mlp with bias", seed=5)]
    inputs = images(200)
    mended = repair(mean_of(parents, HALVES), parents, structure_of(parents[0], inputs), inputs, HALVES)
    for layer in ("encoder.1", "encoder.3", "encoder.5", "head"):
        values = [outputs_of(made, layer, inputs).double() for made in (*parents, mended)]
        for statistic in (lambda v: v.mean(0), lambda v: v.std(0, unbiased=False)):
            first, second, found = map(statistic, values)
            assert torch.allclose(found, (first + second) / 2, atol=1e-4)


def test_without_a_bias_the_spread_alone_is_repaired():
    parents = [module("vgg11"), module("vgg11", seed=5)]
    inputs = images(50)
    mended = repair(mean_of(parents, HALVES), parents, structure_of(parents[0], inputs), inputs, HALVES)
    values = [outputs_of(made, "features.0", inputs).double() for made in (*parents, mended)]
    first, second, found = (v.movedim(1, 0).flatten(1).std(1, unbiased=False) for v in values)
    assert torch.allclose(found, (first + second) / 2, rtol=1e-4)


def test_batch_normalisation_gets_the_statistics_of_the_inputs():
    parents = [module("resnet18 with norm"), module("resnet18 with norm", seed=5)]
    inputs = images(100)
    mended = fuse(parents, inputs=inputs, repair=True)
    seen = outputs_of(mended, "conv1", inputs).double().movedim(1, 0).flatten(1)
    assert torch.allclose(mended.bn1.running_mean.double(), seen.mean(1), atol=1e-5)
    assert torch.allclose(mended.bn1.running_var.double(), seen.var(1), rtol=1e-4)
    assert mended.bn1.momentum == parents[0].bn1.momentum
    assert not mended.training
    training = reset_statistics(module("residual").train(), inputs)
    assert all(part.training for part in training.modules())


def test_one_layer_is_refitted_to_the_ridge_regression_on_its_parents_outputs():
    torch.manual_seed(0)
    parents = [nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)) for _ in range(2)]
    inputs = torch.randn(60, 5)
    start = mean_of(parents, HALVES)
    fitted = regress(start, parents, structure_of(parents[0]), inputs, HALVES, ridge=0.1)
    x = np.hstack([inputs.numpy().astype(np.float64), np.ones((60, 1))])
    wanted = sum(parent[0](inputs).detach().double().numpy() for parent in parents) / 2
    origin = np.hstack([start[0].weight.detach().numpy(), start[0].bias.detach().numpy()[:, None]]).astype(
        np.float64
    )
    strength = 0.1 * np.mean(np.sum(x**2, axis=0))
    ridge = Ridge(alpha=strength, fit_intercept=False).fit(x, wanted - x @ origin.T)
    assert np.allclose(fitted[0].weight.detach().numpy(), (ridge.coef_ + origin)[:, :5], atol=1e-5)
    assert np.allclose(fitted[0].bias.detach().numpy(), (ridge.coef_ + origin)[:, 5], atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "residual", "vgg11", "resnet18 with norm", "pcktae", "grouped"])
def test_equal_parents_stay_what_they_are(name):
    made = module(name)
    inputs = images(64)
    structure = structure_of(made, inputs)
    if name not in ("resnet18 with norm", "residual", "pcktae"):  # whose statistics become those of the inputs
        assert difference(made, regress(made, [made, made], structure, inputs, HALVES), inputs) < 1e-4
        assert difference(made, repair(made, [made, made], structure, inputs, HALVES), inputs) < 1e-4
    else:
        fresh = reset_statistics(module(name), inputs)
        assert difference(fresh, regress(made, [made, made], structure, inputs, HALVES), inputs) < 1e-3


def test_regression_brings_the_outputs_closer_to_the_parents_mean():
    parents = [module("vgg11", seed=seed) for seed in (0, 5)]
    inputs = images(200)
    with torch.no_grad():
        wanted = sum(parent(inputs) for parent in parents) / 2
        apart = {
            merge: float((fuse(parents, inputs=inputs, merge=merge)(inputs) - wanted).square().mean())
            for merge in ("mean", "regression")
        }
    assert apart["regression"] < apart["mean"]


@pytest.mark.parametrize("number", [2, 102, 199, 250])
def test_every_input_counts_the_same(number):
    """100 and 2, as batches, would count a batch each."""
    inputs = images(number) + torch.linspace(0, 9, number)[:, None, None, None]
    made = reset_statistics(nn.Sequential(nn.BatchNorm2d(1)), inputs)
    assert torch.allclose(made[0].running_mean, inputs.mean(), rtol=1e-5)


def test_one_input_has_no_statistics():
    with pytest.raises(InvalidInput, match="inputs: holds 1"):
        reset_statistics(module("residual"), images(1))


class Mixed(nn.Module):
    """Normalised layers, layers that are not, and a stream that is before its end."""

    def __init__(self):
        super().__init__()
        self.plain, self.first, self.second = (nn.Conv2d(c, 6, 3, padding=1) for c in (1, 6, 6))
        self.norm, self.last = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.plain(x))
        x = self.first(x)
        x = x + self.second(torch.relu(self.norm(x)))
        return self.head(torch.relu(self.last(x)).mean((2, 3)))


def test_layers_that_no_normalisation_follows_are_repaired_beside_those_that_one_does():
    torch.manual_seed(0)
    parents, inputs = [Mixed().eval() for _ in range(2)], images(150)
    parents = [reset_statistics(parent, inputs) for parent in parents]
    start = mean_of(parents, HALVES)
    mended = repair(start, parents, structure_of(parents[0], inputs), inputs, HALVES)
    for layer in ("plain", "head"):
        values = [outputs_of(made, layer, inputs).double() for made in (*parents, mended)]
        values = [v.movedim(1, 0).flatten(1) if v.ndim > 1 else v for v in values]
        for statistic in (lambda v: v.mean(1), lambda v: v.std(1, unbiased=False)):
            first, second, found = map(statistic, values)
            assert torch.allclose(found, (first + second) / 2, atol=2e-3), layer
    for layer in ("first", "second"):
        assert torch.equal(mended.get_submodule(layer).weight, start.get_submodule(layer).weight)
    seen = outputs_of(mended, "first", inputs).double().movedim(1, 0).flatten(1)
    assert torch.allclose(mended.norm.running_mean.double(), seen.mean(1), atol=1e-4)


def test_rows_that_are_drawn_are_rows_of_the_unfolded_map():
    torch.manual_seed(0)
    for layer in (
        nn.Conv2d(3, 5, 3, padding=1, stride=2),
        nn.Conv2d(3, 5, (3, 2), dilation=2, padding="same"),
        nn.Conv2d(3, 5, 2, padding="valid", bias=False),
        nn.Linear(6, 4),
    ):
        values = torch.rand(4, 6, 6) if isinstance(layer, nn.Linear) else torch.rand(4, 3, 9, 8)
        drawn = Positions(layer, values[:1], 4, 10**6, torch.Generator().manual_seed(0))
        rows = torch.cat([drawn.rows_at(values, at) for at in drawn.chunks(4)])
        with torch.no_grad():
            expected = layer(values)
        expected = expected.flatten(0, 1) if isinstance(layer, nn.Linear) else expected.flatten(2).mT.flatten(0, 1)
        assert torch.allclose(_written(layer, rows), expected, atol=1e-6)
        few = Positions(layer, values[:1], 4, 12, torch.Generator().manual_seed(0))
        (at,) = few.chunks(4)
        assert few.rows == len(at) == len(at.unique()) == 12
        assert (at // few.every).tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        assert torch.allclose(_written(layer, few.rows_at(values, at)), expected[at], atol=1e-6)


def test_few_rows_are_solved_in_the_dual_form_with_the_same_result():
    torch.manual_seed(0)
    layer = nn.Linear(40, 3)
    rows, residuals = torch.rand(30, 40), torch.rand(30, 3)
    found = []
    for dual in (True, False):
        fitted, sums = copy.deepcopy(layer), _Sums(layer, 30 if dual else 10**6)
        assert sums.dual == dual
        for start in (0, 20):
            sums.add(rows[start : start + 20], residuals[start : start + 20])
        sums.solve(fitted, 1e-2)
        found.append(torch.cat([fitted.weight.flatten(), fitted.bias]))
    assert torch.allclose(found[0], found[1], atol=1e-4)


def test_a_drawn_regression_is_close_to_the_full_one_and_its_memory_is_bounded():
    parents = [module("residual"), module("residual", seed=5)]
    inputs, mean = images(200), mean_of(parents, HALVES)
    structure = structure_of(parents[0], inputs)
    full, drawn, again, other = (
        regress(mean, parents, structure, inputs, HALVES, **options)
        for options in ({}, {"most_rows": 6000}, {"most_rows": 6000}, {"most_rows": 6000, "seed": 1})
    )
    assert 0 < difference(full, drawn) < 0.1
    assert difference(drawn, again) == 0 < difference(drawn, other)
    large, layer = torch.rand(1, 64, 224, 224), nn.Conv2d(64, 64, 3, padding=1)
    positions = Positions(layer, large, 100, 200_000, torch.Generator().manual_seed(0))
    (at, *rest) = positions.chunks(1)
    assert not rest
    assert positions.rows == 200_000
    assert at.shape == (2000,)  # 4.6 MB of rows, not the 116 MB of the whole map
    assert positions.rows_at(large, at).shape == (2000, 576)
    assert max(len(at) for at in positions.chunks(100)) * 576 * 4 <= CHUNK


def test_statistics_are_those_of_all_inputs_in_any_order():
    net = nn.Sequential(nn.BatchNorm1d(1)).eval()
    inputs = torch.cat([torch.zeros(100, 1), torch.full((100, 1), 10.0), torch.full((37, 1), -4.0)])
    reset_statistics(net, inputs)
    assert net[0].running_mean.item() == pytest.approx(inputs.mean().item(), abs=1e-4)
    assert net[0].running_var.item() == pytest.approx(inputs.var().item(), rel=0.01)


def test_statistics_behind_another_norm_do_not_depend_on_the_order_of_inputs():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 6), nn.ReLU(), nn.BatchNorm1d(6))
    inputs = torch.cat([torch.randn(400, 4) + 3 * task for task in range(3)])  # task by task
    whole = copy.deepcopy(net).train()
    whole[0].momentum = whole[3].momentum = 1.0
    whole(inputs)
    reset_statistics(net, inputs)
    for place in (0, 3):
        assert torch.allclose(net[place].running_mean, whole[place].running_mean, rtol=0.05, atol=0.05)
        assert torch.allclose(net[place].running_var, whole[place].running_var, rtol=0.1)


def test_statistics_take_inputs_in_any_precision():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    assert reset_statistics(net, torch.randn(8, 3))[1].running_var.dtype == torch.float64
    assert reset_statistics(net, np.ones((8, 3), np.float32))[1].running_var.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [("images", "inputs: is a str; allowed: a tensor or array"), (torch.full((8, 3), torch.nan), "holds NaN")],
)
def test_statistics_of_what_are_no_numbers_are_refused(inputs, told):
    with pytest.raises(InvalidInput, match=told):
        reset_statistics(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), inputs)


def test_a_failure_leaves_the_module_as_it_was():
    net = reset_statistics(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval(), torch.randn(50, 3))
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(InvalidInput, match="does not run on inputs"):
        reset_statistics(net, torch.zeros(8, 4))
    assert not net[1].training
    assert net[1].momentum == 0.1
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
