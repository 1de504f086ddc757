import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import fuse
from framework.fusion.alignment import all_plans
from framework.fusion.config import CycleConsistent, WeightMatching
from framework.fusion.cycle_consistent import climbed, into_universe, rounded, vertex
from framework.fusion.plans import Plan
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from framework.fusion.task import Task
from framework.fusion.universe import Universe
from framework.fusion.weight_matching import weight_matching
from tests.framework.fusion.zoo import images, module

WIDTHS = (20, 24, 16, 10, 5)
NAMES = ["mlp with bias", "residual", "dense", "grouped", "attention", "multihead", "functional"]


def net(seed, widths=WIDTHS):
    torch.manual_seed(seed)
    layers = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).eval()


def universe_of(models, inputs=None):
    return Universe([made.state_dict() for made in models], structure_of(models[0], inputs).bases)


def selves(made, number):
    bases = structure_of(made, images()).bases
    return [made, *(permuted(made, bases, random_plans(bases, seed)) for seed in range(1, number))]


def somewhere(universe, seed):
    """Doubly stochastic matrices of every model, each a mean of three permutations."""
    draws = [
        [random_plans(universe.bases, seed + 10 * n + d) for d in range(3)] for n in range(len(universe.turns))
    ]
    return [
        {b.name: Plan(coupling=sum(plans[b.name].rows() for plans in of) / 3) for b in universe.bases}
        for of in draws
    ]


@pytest.mark.parametrize(("name", "number"), [*((name, 3) for name in NAMES), ("mlp with bias", 5), ("dense", 4)])
def test_selves_in_other_orders_are_brought_to_the_first(name, number):
    made = module(name)
    models = selves(made, number)
    structure = structure_of(made, images())
    tasks = [Task.of(made, other, images(), target=structure) for other in models[1:]]
    for alignment, other in zip(all_plans(tasks, CycleConsistent(iterations=30)), models[1:], strict=True):
        moved = alignment.moved(made, other)
        assert all(torch.equal(tensor, moved.state_dict()[key]) for key, tensor in made.state_dict().items())
        assert all(row["cost"] < 1e-4 for row in alignment.rows())


@pytest.mark.parametrize("name", NAMES)
def test_cycles_close_whichever_model_is_the_first(name):
    """p → q is found with q as the first model, once for each q: three searches, and still one universe."""
    models = [module(name, seed) for seed in range(3)]
    structure = structure_of(models[0], images())
    found = {}
    for goal in range(3):
        others = [number for number in range(3) if number != goal]
        tasks = [Task.of(models[goal], models[number], images(), target=structure) for number in others]
        for number, alignment in zip(others, all_plans(tasks, CycleConsistent(iterations=5)), strict=True):
            found[number, goal] = alignment.plans
    for p, q, r in itertools.permutations(range(3)):
        for basis in structure.bases:
            there, on, back = (found[pair][basis.name].index for pair in ((p, q), (q, r), (r, p)))
            assert torch.equal(there[on][back], torch.arange(basis.size))


def test_weight_matching_does_not_close_cycles():
    models = [net(seed) for seed in range(3)]
    state = [made.state_dict() for made in models]
    bases = structure_of(models[0]).bases
    way = [weight_matching(state[p], state[q], bases, WeightMatching()) for p, q in ((0, 1), (1, 2), (2, 0))]
    closed = [way[0][b.name].plan.index[way[1][b.name].plan.index][way[2][b.name].plan.index] for b in bases]
    assert any(not torch.equal(order, torch.arange(len(order))) for order in closed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", [2, 3])
def test_the_objective_is_no_worse_than_by_matching_to_the_first(seed, number):
    universe = universe_of([net(10 * seed + turn) for turn in range(number)])
    first, *others = universe.weights
    identity = universe.start(None)
    matched = [weight_matching(other, first, universe.bases, WeightMatching()) for other in others]
    plans = [identity[0], *({name: c.plan for name, c in found.items()} for found in matched)]
    found = into_universe(universe, CycleConsistent())
    assert universe.value(found) >= universe.value(plans) - 1e-3 * universe.scale


def test_more_starts_are_no_worse_and_the_best_of_a_tiny_network_is_found():
    """Against every pair of permutations of two layers of three units."""
    models = [net(seed, (4, 3, 3, 2)) for seed in (0, 1)]
    universe = universe_of(models)
    orders = [torch.tensor(order) for order in itertools.permutations(range(3))]
    names = [basis.name for basis in universe.bases]
    best = max(
        universe.value(
            [universe.start(None)[0], dict(zip(names, (Plan(index=order) for order in pair), strict=True))]
        )
        for pair in itertools.product(orders, orders)
    )
    one, many = (into_universe(universe, CycleConsistent(starts=starts, iterations=20)) for starts in (1, 10))
    assert universe.value(many) >= universe.value(one)
    assert universe.value(many) == pytest.approx(best, rel=1e-9)


def test_value_and_gradient_are_those_of_the_formula_written_out():
    """Equation (1) of two hidden layers as sums of matrix products, and its derivative by autograd."""
    universe = universe_of([net(seed, (6, 5, 4, 3)) for seed in range(3)])
    found = somewhere(universe, 0)
    plans = [[own[basis.name].rows().clone().requires_grad_() for basis in universe.bases] for own in found]
    moved = [
        [
            first.T @ weights["0.weight"], first.T @ weights["0.bias"],
            second.T @ weights["2.weight"] @ first, second.T @ weights["2.bias"],
            weights["4.weight"] @ second,
        ]
        for weights, (first, second) in zip(universe.weights, plans, strict=True)
    ]  # fmt: skip
    value = sum((a * b).sum() for p, q in itertools.combinations(moved, 2) for a, b in zip(p, q, strict=True))
    assert universe.value(found) == pytest.approx(value.item(), rel=1e-12)
    value.backward()
    for number, own in enumerate(plans):
        for mine, theirs in zip(universe.gradient(found, number, universe.bases), own, strict=True):
            assert torch.allclose(mine, theirs.grad, rtol=1e-10)


@pytest.mark.parametrize("name", [*NAMES, "resnet18 with norm", "vit"])
def test_the_line_is_the_objective_and_its_slope_the_gradient(name):
    universe = universe_of([module(name, seed) for seed in range(3)], images())
    found, towards = somewhere(universe, 0), [random_plans(universe.bases, 7 + number) for number in range(3)]
    line = universe.line(found, towards)
    for step in (0.0, 0.3, 0.8, 1.0):
        between = [
            {
                name: Plan(coupling=(1 - step) * plan.rows() + step * goal[name].rows())
                for name, plan in own.items()
            }
            for own, goal in zip(found, towards, strict=True)
        ]
        assert universe.value(between) == pytest.approx(np.polynomial.polynomial.polyval(step, line), rel=1e-9)
    slope = 0.0
    for number, (own, goal) in enumerate(zip(found, towards, strict=True)):
        for basis, gradient in zip(universe.bases, universe.gradient(found, number, universe.bases), strict=True):
            slope += float((gradient * (goal[basis.name].rows() - own[basis.name].rows())).sum())
    assert line[1] == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("name", ["mlp", "residual", "grouped", "attention", "vit"])
def test_no_step_makes_the_objective_smaller(name):
    universe = universe_of([module(name, seed) for seed in range(3)], images())
    values = []
    soft = climbed(universe, universe.start(None), CycleConsistent(iterations=15), values)
    values.append(universe.value(soft))
    assert all(after >= before - 1e-9 * universe.scale for before, after in itertools.pairwise(values))
    assert values[-1] > values[0]
    nearest = [vertex(universe, [own[basis.name].rows() for basis in universe.bases]) for own in soft]
    assert universe.value(rounded(universe, soft)) >= universe.value(nearest) - 1e-9 * universe.scale


def test_models_without_hidden_units_are_averaged():
    models = [net(seed, (6, 3)) for seed in range(3)]
    fused = fuse(models, "cycle_consistent")
    assert torch.allclose(fused[0].weight, sum(made[0].weight for made in models) / 3)


def test_models_of_other_widths_are_refused():
    with pytest.raises(InvalidInput, match="permutations need equal widths"):
        fuse([net(0), net(1), net(2, (20, 25, 16, 10, 5))], "cycle_consistent")


@pytest.fixture(scope="module")
def trained():
    """Three networks that learned the digits from other starts, with the splits: 1,297 to learn, 500 to test."""
    pixels, classes = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16, dtype=torch.float32)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order], torch.tensor(classes)[order]
    models = []
    for seed in range(3):
        made = net(seed, (64, 32, 24, 10))
        optimizer = torch.optim.Adam(made.parameters(), 3e-3)
        for _ in range(200):
            optimizer.zero_grad()
            nn.functional.cross_entropy(made(images[:1297]), labels[:1297]).backward()
            optimizer.step()
        models.append(made)
    return models, images, labels


@torch.no_grad()
def accuracy(made, images, labels):
    return float((made(images[1297:]).argmax(1) == labels[1297:]).double().mean())


def test_the_order_of_the_models_does_not_matter(trained):
    """Matched to the first it does: another first model, another network."""
    models, images, _ = trained
    outputs = {}
    for method in ("cycle_consistent", "weight_matching"):
        with torch.no_grad():
            outputs[method] = [
                fuse([models[number] for number in order], method)(images)
                for order in itertools.permutations(range(3))
            ]
    changes = {
        method: max(float((other - found[0]).abs().max() / found[0].abs().max()) for other in found[1:])
        for method, found in outputs.items()
    }
    assert changes["cycle_consistent"] < 1e-5
    assert changes["weight_matching"] > 1e-2


def test_the_merger_of_three_networks_keeps_more_than_their_average(trained):
    models, images, labels = trained
    learned = images[:1297]
    plain = accuracy(fuse(models, "average"), images, labels)
    for options in ({}, {"repair": True}, {"merge": "regression"}):
        found = accuracy(fuse(models, "cycle_consistent", inputs=learned, **options), images, labels)
        assert found > plain + 0.1 if not options else found > 0.8
