import itertools

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from framework.errors import InvalidInput
from framework.fusion.config import OT, Ground
from framework.fusion.costs import Products, distances
from framework.fusion.plans import Plan
from framework.fusion.solvers import assigned, solve


def costs(n=5, m=5, seed=0):
    return torch.rand(n, m, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def uniform(size):
    return torch.full((size,), 1 / size, dtype=torch.float64)


def test_the_assignment_is_the_best_of_all_permutations():
    cost = costs()
    best = min(itertools.permutations(range(5)), key=lambda order: sum(cost[i, j] for j, i in enumerate(order)))
    assert assigned(cost).tolist() == list(best)
    plan = solve(cost, uniform(5), uniform(5), OT())
    assert plan.index.tolist() == list(best)


def test_pot_and_the_assignment_agree_on_the_cost():
    cost = costs(40, 40)
    coupling = solve(cost, uniform(40), uniform(40), OT(solver="emd")).matrix()
    order = solve(cost, uniform(40), uniform(40), OT()).index
    assert float((coupling * cost).sum()) == pytest.approx(float(cost[order, torch.arange(40)].mean()), abs=1e-12)


def test_other_marginals_and_widths_are_solved_by_pot():
    cost, mass_n, mass_m = costs(4, 6), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64), uniform(6)
    coupling = solve(cost, mass_n, mass_m, OT()).matrix()
    assert torch.allclose(coupling.sum(1), mass_n)
    assert torch.allclose(coupling.sum(0), mass_m)
    value = ot.emd2(mass_n.numpy(), mass_m.numpy(), cost.numpy())
    assert float((coupling * cost).sum()) == pytest.approx(float(value))
    with pytest.raises(InvalidInput, match="first: has 4 and 6 units, which no assignment matches"):
        solve(cost, uniform(4), uniform(6), OT(solver="assignment"), "first")


def test_sinkhorn_tends_to_the_exact_plan_as_reg_tends_to_zero():
    cost = costs(6, 6)
    exact = Plan(index=assigned(cost)).matrix()
    apart = [
        float((solve(cost, uniform(6), uniform(6), OT(solver="sinkhorn", reg=reg)).matrix() - exact).abs().max())
        for reg in (1.0, 0.1, 0.01, 0.001)
    ]
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 1e-3


def test_unbalanced_transport_meets_the_marginals_as_their_price_rises():
    cost = costs(5, 5)
    missed = [
        float(
            (
                solve(cost, uniform(5), uniform(5), OT(solver="unbalanced", reg=0.05, reg_m=price)).matrix().sum(1)
                - 0.2
            )
            .abs()
            .max()
        )
        for price in (0.05, 1.0, 100.0)
    ]
    assert missed == sorted(missed, reverse=True)
    assert missed[-1] < 1e-2


@pytest.fixture
def features():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 9, generator=generator), torch.randn(5, 9, generator=generator)


def test_costs_follow_from_inner_products(features):
    model, reference = features
    products = Products.of(model, reference)
    assert torch.allclose(distances(products, Ground()).float(), torch.cdist(model, reference), atol=1e-5)
    squared = distances(products, Ground(squared=True)).float()
    assert torch.allclose(squared, torch.cdist(model, reference) ** 2, atol=1e-4)
    cosine = 1 - torch.nn.functional.cosine_similarity(model[:, None], reference[None], dim=2)
    assert torch.allclose(distances(products, Ground(metric="cosine")).float(), cosine, atol=1e-5)


def test_products_of_pieces_add_up(features):
    model, reference = features
    whole = Products.of(model, reference)
    sum_ = Products.of(model[:, :4], reference[:, :4]) + Products.of(model[:, 4:], reference[:, 4:])
    assert torch.allclose(whole.cross_nm, sum_.cross_nm, atol=1e-5)
    centred = distances(sum_.centred(), Ground(squared=True)).float()
    expected = torch.cdist(model - model.mean(1, keepdim=True), reference - reference.mean(1, keepdim=True)) ** 2
    assert torch.allclose(centred, expected, atol=1e-4)
    unit = distances(sum_.normalised(), Ground()).float()
    by_hand = torch.cdist(model / model.norm(dim=1, keepdim=True), reference / reference.norm(dim=1, keepdim=True))
    assert torch.allclose(unit, by_hand, atol=1e-4)


@pytest.mark.parametrize("scale", ["max", "mean", "median", "log"])
def test_costs_are_scaled_and_clipped(features, scale):
    products = Products.of(*features)
    plain = distances(products, Ground())
    expected = (
        plain.log1p()
        if scale == "log"
        else plain / {"max": plain.max, "mean": plain.mean, "median": plain.median}[scale]()
    )
    assert torch.allclose(distances(products, Ground(scale=scale)), expected)
    clipped = distances(products, Ground(scale=scale, clip=(0.2, 0.9)))
    assert torch.equal(clipped, expected.clamp(0.2, 0.9))


def test_plans_carry_means_of_rows_and_shares_of_columns():
    coupling = torch.tensor([[0.3, 0.1], [0.0, 0.4], [0.2, 0.0]], dtype=torch.float64)
    plan = Plan(coupling=coupling)
    assert torch.allclose(plan.rows().sum(0), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(plan.columns().sum(1), torch.ones(3, dtype=torch.float64))
    assert plan.size == 2
    order = Plan(index=torch.tensor([2, 0, 1]))
    assert np.allclose(order.rows().numpy(), np.eye(3)[:, [2, 0, 1]])
    assert order.diagonal() == 0.0
    assert Plan.identity(3).diagonal() == 1.0
    assert Plan(coupling=torch.eye(3) / 3).diagonal() == pytest.approx(1.0)
    assert Plan(coupling=torch.full((4, 4), 1 / 16)).diagonal() == pytest.approx(0.25)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_taking_means_from_rows_and_columns_leaves_the_best_permutation(offset):
    generator = torch.Generator().manual_seed(0)
    for size in (1, 2, 7, 60):
        scale = 1 + offset * torch.rand(size, 1, generator=generator, dtype=torch.float64)
        cost = torch.rand(size, size, generator=generator, dtype=torch.float64) * scale + offset
        rows, columns = linear_sum_assignment(cost.numpy())
        order = assigned(cost)
        assert sorted(order.tolist()) == list(range(size))
        assert float(cost[order, torch.arange(size)].sum()) == pytest.approx(
            cost.numpy()[rows, columns].sum(), rel=1e-12
        )
    assert sorted(assigned(torch.zeros(5, 5)).tolist()) == list(range(5))


def test_squared_norms_have_the_digits_of_double_precision_sums():
    generator = torch.Generator().manual_seed(0)
    for width in (1, 63, 64, 65, 4608):
        rows = torch.rand(8, width, generator=generator)
        expected = rows.double().square().sum(1)
        assert torch.allclose(Products.of(rows, rows).squares_n, expected, rtol=2e-7, atol=0)
    products = Products.of(rows, rows, sums=False)
    assert bool(distances(products, Ground()).isfinite().all())
    assert bool(distances(products.centred(), Ground()).isnan().any())
