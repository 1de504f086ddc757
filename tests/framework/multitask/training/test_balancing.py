"""Weights of tasks: the scale of the plain sum, and the papers' own properties."""

import subprocess
import sys

import pytest
import torch

from framework.errors import ConfigError
from framework.multitask.config import TasksConfig
from framework.multitask.training import solvers
from framework.multitask.training.balancing import OfGradients, OfLosses, weighing_of
from framework.multitask.training.config import Learning

OF_GRADIENTS = ("pcgrad", "cagrad", "upgrad", "nash_mtl")


def rule(kind: str, **more):
    return weighing_of(Learning.parse({"balancing": {"kind": kind, **more}}).balancing, 2)


def weights(kind: str, gramian) -> torch.Tensor:
    made = rule(kind)
    assert isinstance(made, OfGradients)
    return made(torch.tensor(gramian))


@pytest.mark.parametrize("kind", OF_GRADIENTS)
def test_where_nothing_conflicts_each_task_counts_as_in_the_sum(kind: str):
    found = weights(kind, [[2.0, 0.0], [0.0, 2.0]])
    rel = 0.5 if kind == "cagrad" else 0.02  # it goes further along the worst direction, by c
    assert found.tolist() == pytest.approx([1.0, 1.0], rel=rel)
    assert float(found[0]) == pytest.approx(float(found[1]), rel=1e-3)


@pytest.mark.parametrize("kind", ["pcgrad", "upgrad", "nash_mtl"])
def test_a_step_goes_down_on_both_where_they_conflict(kind: str):
    torch.manual_seed(0)
    jacobian = torch.tensor([[1.0, 0.2, 0.0], [-3.0, 0.1, 0.5]])
    gramian = jacobian @ jacobian.T
    plain = jacobian @ jacobian.sum(dim=0)
    assert float(plain.min()) < 0, "the plain sum goes up on one"
    step = weights(kind, gramian.tolist()) @ jacobian
    assert float((jacobian @ step).min()) >= -1e-3


def test_gradient_surgery_is_that_of_the_paper():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    jacobian = torch.stack([first, second])
    projected = [
        first - (first @ second) / (second @ second) * second,
        second - (second @ first) / (first @ first) * first,
    ]
    found = weights("pcgrad", (jacobian @ jacobian.T).tolist()) @ jacobian
    assert torch.allclose(found, projected[0] + projected[1], atol=1e-6)


def test_the_bargain_is_navons():
    gramian = torch.tensor([[2.0, -0.5], [-0.5, 1.0]])
    alpha = weights("nash_mtl", gramian.tolist()).double()
    scaled = (gramian / 1.5).double()
    assert (scaled @ alpha).tolist() == pytest.approx((1 / alpha).tolist(), rel=5e-3), "G α = 1 / α"
    longer = weights("nash_mtl", (1e4 * gramian).tolist())
    assert longer.tolist() == pytest.approx(alpha.tolist(), rel=1e-3), "however long gradients are"


@pytest.mark.parametrize("kind", OF_GRADIENTS)
@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_weights_do_not_depend_on_how_long_gradients_are(kind: str, scale: float):
    gramian = torch.tensor([[2.0, -0.5], [-0.5, 1.0]])
    torch.manual_seed(0)
    usual = weights(kind, gramian.tolist())
    torch.manual_seed(0)
    assert weights(kind, (scale * gramian).tolist()).tolist() == pytest.approx(usual.tolist(), rel=1e-3)


def test_conflict_aversion_is_that_of_the_paper():
    """w ∈ simplex minimises g_wᵀg_0 + √φ |g_w|; the step is g_0 + √φ g_w / |g_w| (Liu et al., algorithm 1)."""
    jacobian = torch.tensor([[1.0, 0.2], [-0.4, 0.3]], dtype=torch.float64)
    mean = jacobian.mean(dim=0)
    share = torch.linspace(0, 1, 200_001, dtype=torch.float64)[:, None]
    mixes = share * jacobian[0] + (1 - share) * jacobian[1]
    radius = 0.4 * mean.norm()
    best = mixes[(mixes @ mean + radius * mixes.norm(dim=1)).argmin()]
    wanted = 2 * (mean + radius * best / best.norm())
    found = weights("cagrad", (jacobian @ jacobian.T).float().tolist()).double() @ jacobian
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ratio", [10.0, 100.0, 1000.0])
def test_unconflicting_gradients_rise_on_no_task_however_different_their_lengths(ratio: float):
    cosine = -0.7
    gramian = torch.tensor([[ratio**2, cosine * ratio], [cosine * ratio, 1.0]])
    step = gramian.double() @ weights("upgrad", gramian.tolist()).double()
    assert bool((step / gramian.diagonal().sqrt() > -1e-3 * float(step.abs().max()) / ratio).all()), step


@pytest.mark.parametrize("kind", OF_GRADIENTS)
def test_a_task_that_is_learnt_does_not_stop_the_other(kind: str):
    for gramian in ([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1e-20]]):
        found = weights(kind, gramian)
        assert bool(torch.isfinite(found).all())
        assert float(found[0]) > 0.4


@pytest.mark.parametrize("kind", OF_GRADIENTS)
def test_what_is_no_number_is_weighed_as_in_the_sum(kind: str):
    """The loss tells of it; a solver would only raise."""
    for wrong in (float("nan"), float("inf"), 0.0):
        assert weights(kind, [[wrong, wrong], [wrong, wrong]]).tolist() == [1.0, 1.0]


def test_a_gramian_without_full_rank_is_taken():
    for kind in OF_GRADIENTS:
        assert bool(torch.isfinite(weights(kind, [[1.0, 1.0], [1.0, 1.0]])).all()), kind


def test_learnt_uncertainties_begin_as_the_sum_and_grow_with_the_loss():
    made = rule("uncertainty", rate=0.1)
    assert isinstance(made, OfLosses)
    losses = torch.tensor([4.0, 0.1], requires_grad=True)
    loss = made(losses)
    assert float(loss.detach()) == pytest.approx(4.1), "exp(-s) L + s with s = 0"
    loss.backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == pytest.approx([1.0, 1.0])
    made.step()
    again = torch.tensor([4.0, 0.1], requires_grad=True)
    made(again).backward()
    assert again.grad is not None
    assert again.grad[0] < 1 < again.grad[1], "ds = 1 - L: the large loss weighs less"


def test_famo_weighs_by_losses_and_learns_which_falls_slowly():
    made = rule("famo", rate=0.5)
    assert isinstance(made, OfLosses)
    assert made.needs_losses_after

    def gradient() -> list[float]:
        losses = torch.tensor([1.0, 1.0], requires_grad=True)
        made(losses).backward()
        assert losses.grad is not None
        return losses.grad.tolist()

    assert gradient() == pytest.approx([1.0, 1.0]), "of equal losses, as the sum"
    made.update(torch.tensor([1.0, 0.2]))
    first, second = gradient()
    assert first > second
    assert first + second == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["uncertainty", "famo", "nash_mtl"])
def test_what_was_learnt_is_gone_on_with(kind: str):
    made, again = rule(kind), rule(kind)

    def use(one) -> torch.Tensor:
        if isinstance(one, OfGradients):
            return one(torch.tensor([[2.0, -0.5], [-0.5, 1.0]]))
        losses = torch.tensor([2.0, 0.5], requires_grad=True)
        one(losses).backward()
        one.step()
        if one.needs_losses_after:
            one.update(torch.tensor([1.5, 0.45]))
        assert losses.grad is not None
        return losses.grad

    for _ in range(3):
        use(made)
    again.load(made.state())
    for _ in range(2):
        assert torch.allclose(use(made), use(again), atol=1e-5)


def test_a_solver_that_is_not_here_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(solvers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"is nash_mtl, which needs cvxpy and ecos; install.*sashiko\[multitask\]"
    ):
        rule("nash_mtl")
    TasksConfig.parse({"training": {"balancing": "nash_mtl"}})  # a config is no machine


def test_reading_a_config_imports_no_torch():
    code = "import sys, framework.multitask.config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
