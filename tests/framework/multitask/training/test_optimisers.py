"""Steps of several members, against PyTorch's own optimisers of each."""

import pytest
import torch

from framework.multitask.training.optimisers import build_optimizer, set_rates

RATES, DECAYS = torch.tensor([0.1, 0.01, 0.03]), torch.tensor([0.0, 0.2, 0.5])
FACTORS = (1.0, 0.25)


def theirs(kind: str, momentum: float, weights, rate: float, decay: float):
    groups = [{"params": [w], "lr": rate * factor} for w, factor in zip(weights, FACTORS, strict=True)]
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=0.1, momentum=momentum, weight_decay=decay)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](groups, weight_decay=decay)


def loss(weights):
    """A loss that ties both weights together."""
    w, v = weights
    return ((w - 1) ** 2).sum() + 1.5 * (v.pow(2).sum() + (w.mean() - v.mean()) ** 2)


@pytest.mark.parametrize(("kind", "momentum"), [("sgd", 0.0), ("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)])
def test_every_member_moves_as_it_would_alone(kind: str, momentum: float):
    torch.manual_seed(0)
    begun = torch.randn(3, 4, 2), torch.randn(3, 5)
    ours = [part.clone().requires_grad_() for part in begun]
    optimizer = build_optimizer(ours, FACTORS, kind, momentum)
    set_rates(optimizer, RATES, DECAYS)
    for _ in range(10):
        optimizer.zero_grad()
        sum(loss([part[member] for part in ours]) for member in range(3)).backward()
        optimizer.step()
    for member in range(3):
        own = [part[member].clone().requires_grad_() for part in begun]
        other = theirs(kind, momentum, own, float(RATES[member]), float(DECAYS[member]))
        for _ in range(10):
            other.zero_grad()
            loss(own).backward()
            other.step()
        for mine, alone in zip(ours, own, strict=True):
            assert torch.allclose(mine[member], alone, atol=2e-6), (kind, member)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_single_member_takes_pytorchs_own(kind: str):
    weights = [torch.randn(1, 3, requires_grad=True), torch.randn(1, 2, requires_grad=True)]
    optimizer = build_optimizer(weights, (1.0, 0.5), kind, 0.0)
    set_rates(optimizer, torch.tensor([0.2]), torch.tensor([0.1]))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.2, 0.1])
    assert [group["weight_decay"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.1])


def test_a_member_that_has_diverged_leaves_the_others_alone():
    weight = torch.zeros(2, 3, requires_grad=True)
    optimizer = build_optimizer([weight], (1.0,), "adam", 0.0)
    set_rates(optimizer, torch.tensor([0.1, 0.1]), torch.zeros(2))
    weight.grad = torch.tensor([[float("nan")] * 3, [1.0] * 3])
    optimizer.step()
    assert bool(torch.isnan(weight[0]).all())
    assert torch.allclose(weight[1], torch.full((3,), -0.1))
