import math

import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import trapezoid
from torch import nn
from torch.func import functional_call

from framework.errors import InvalidInput
from framework.metrics.hessian import TOP_EIGENVALUE, TRACE, Hessian
from framework.metrics.hessian_curvature import affine_in_each_tensor, curvature_trace, trace
from framework.metrics.hessian_lanczos import density, top_eigenvalue
from framework.metrics.hessian_product import HessianProduct
from framework.metrics.layer_gradients import _by_images, _by_layers, squared_gradients
from framework.metrics.spaces_config import HessianConfig
from tests.framework.metrics.networks import CLASSES, batches_of, convolutional, dense, numbers
from tests.framework.threads import one_thread

__all__ = ["one_thread"]


class Residual(nn.Module):
    """A skip connection, summed in place."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.inner, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, CLASSES)
        self.double()

    def forward(self, images):
        x = torch.relu(self.first(images.flatten(1)))
        y = self.inner(x)
        y += x
        return self.last(torch.relu_(y))


class Tied(nn.Module):
    """One layer used twice, which makes the logits quadratic in it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.twice, self.last = nn.Linear(6, 6), nn.Linear(6, CLASSES)
        self.double()

    def forward(self, images):
        return self.last(torch.relu(self.twice(torch.relu(self.twice(images.flatten(1))))))


class Beside(nn.Module):
    """A weight that is used by its layer and once more beside it, which a hook on the layer does not see."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, CLASSES, bias=False)
        self.double()

    def forward(self, images):
        return self.layer(images.flatten(1)) + F.linear(images.flatten(1).abs(), self.layer.weight)


class Scaled(nn.Module):
    """A parameter outside every layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.scale, self.layer = nn.Parameter(torch.tensor(1.5)), nn.Linear(6, CLASSES)
        self.double()

    def forward(self, images):
        return self.scale * self.layer(images.flatten(1))


def exact(model, batches):
    """The full Hessian, (P, P), of the mean over all images."""
    model.eval()
    images, labels = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
    shapes = {name: p.shape for name, p in model.named_parameters()}

    def loss(weights):
        parts = weights.split([shape.numel() for shape in shapes.values()])
        named = {n: part.view(s) for (n, s), part in zip(shapes.items(), parts, strict=True)}
        return F.cross_entropy(functional_call(model, named, (images,)), labels)

    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    return torch.autograd.functional.hessian(loss, flat)


MODELS = {
    "dense": (dense, (1, 2, 3)),
    "convolutional": (convolutional, (1, 8, 8)),
    "residual": (Residual, (1, 2, 3)),
    "tanh": (lambda: dense(nn.Tanh), (1, 2, 3)),
    "tied": (Tied, (1, 2, 3)),
    "beside": (Beside, (1, 2, 3)),
    "scaled": (Scaled, (1, 2, 3)),
}
PIECEWISE_LINEAR = ("dense", "convolutional", "residual", "beside", "scaled")


@pytest.mark.parametrize("room", [0, 2**30])
@pytest.mark.parametrize("name", MODELS)
def test_products_are_those_of_the_full_hessian(name, room):
    make, shape = MODELS[name]
    model, batches = make().eval(), batches_of(shape)
    full = exact(model, batches)
    product = HessianProduct(model, batches, room)
    vector = torch.randn(len(full), generator=numbers(5), dtype=torch.float64)
    for _ in range(2):  # a graph that is kept serves again
        assert torch.allclose(product(vector), full @ vector, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_the_trace_is_exact_where_logits_are_affine_in_each_tensor(name):
    make, shape = MODELS[name]
    model, batches = make().eval(), batches_of(shape)
    expected = float(exact(model, batches).trace())
    assert affine_in_each_tensor(model, batches[0][0], 0) == (name in PIECEWISE_LINEAR)
    found = trace(model, batches, HessianProduct(model, batches), probes=100, tolerance=0.01, seed=0)
    if name in PIECEWISE_LINEAR:
        assert found.value == pytest.approx(expected, rel=1e-9)
        assert (found.standard_error, found.probes) == (0, 0)
    else:
        assert abs(found.value - expected) < 4 * found.standard_error
        assert 0 < found.standard_error < 0.2 * abs(expected)


def test_the_trace_of_many_classes_is_drawn_and_tells_its_error():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 30)).double().eval()
    batches = batches_of((1, 2, 3), (40, 24), classes=30)
    found, error, draws = curvature_trace(model, batches, probes=20, seed=1)
    expected = float(exact(model, batches).trace())
    assert draws == 20
    assert abs(found - expected) < 4 * error
    assert error < 0.05 * expected


@pytest.mark.parametrize("name", ["dense", "convolutional", "residual"])
def test_squared_gradients_by_layers_are_those_by_images(name):
    make, shape = MODELS[name]
    model, images = make().eval(), batches_of(shape)[0][0]

    def cotangents(logits):
        yield torch.randn(logits.shape, generator=numbers(3), dtype=torch.float64)

    assert _by_layers(model, images, cotangents) == pytest.approx(_by_images(model, images, cotangents))


@pytest.mark.parametrize("name", ["tied", "beside", "scaled"])
def test_what_layers_do_not_show_is_taken_by_images(name):
    make, shape = MODELS[name]
    model, images = make().eval(), batches_of(shape)[0][0]

    def cotangents(logits):
        yield torch.ones_like(logits)

    def gradient(image):
        grads = torch.autograd.grad(model(image[None]).sum(), list(model.parameters()))
        return float(sum(g.square().sum() for g in grads))

    found = squared_gradients(model, images, cotangents)
    assert found == pytest.approx([sum(map(gradient, images))])


@pytest.mark.parametrize("name", MODELS)
def test_the_top_eigenvalue_and_the_moments_of_the_density(name):
    make, shape = MODELS[name]
    model, batches = make(), batches_of(shape)
    full = exact(model, batches)
    config = HessianConfig(eigenvalue_tolerance=1e-6, density_draws=20, density_steps=15)
    with Hessian(model, batches, config, seed=3) as hessian:
        top, spread = hessian.top_eigenvalue(), hessian.density()
    assert top.converged
    assert top.value == pytest.approx(float(torch.linalg.eigvalsh(full)[-1]), rel=1e-4)
    assert spread.weights.sum() == pytest.approx(1)
    assert trapezoid(spread.density, spread.grid) == pytest.approx(1, abs=0.01)
    mean = float(full.trace()) / len(full)
    # The quadrature of one start is exact for its first moments; their mean over starts scatters.
    scatter = math.sqrt(2 * float(full.square().sum()) / 20) / len(full)
    assert abs(spread.mean - mean) < 4 * scatter


def test_a_quadratic_with_known_eigenvalues():
    eigenvalues = torch.tensor([-3.0, 0.0, 0.0, 1.0, 2.0, 7.0], dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=numbers(0), dtype=torch.float64)).Q
    matrix = basis @ torch.diag(eigenvalues) @ basis.T
    start = torch.randn(6, generator=numbers(1), dtype=torch.float64)
    top = top_eigenvalue(matrix.mv, start, 50, 1e-8)
    assert top.value == pytest.approx(7)
    assert top.converged
    assert top.steps <= 6
    spread = density(matrix.mv, iter([start]), 50, 400)
    assert sorted(spread.eigenvalues) == pytest.approx([-3, 0, 1, 2, 7], abs=1e-8)  # the two zeros as one
    shares = (basis.T @ start / start.norm()) ** 2
    found = dict(zip(spread.eigenvalues.round(6) + 0.0, spread.weights, strict=True))
    assert found[7.0] == pytest.approx(float(shares[5]))
    assert found[0.0] == pytest.approx(float(shares[1] + shares[2]))


def test_an_iteration_that_is_cut_off_says_so():
    matrix = torch.diag(torch.linspace(0, 1, 200, dtype=torch.float64))
    top = top_eigenvalue(matrix.mv, torch.ones(200, dtype=torch.float64), 5, 1e-6)
    assert not top.converged
    assert top.steps == 5
    assert 1 - top.value > 0


def test_the_same_seed_gives_the_same_and_the_model_is_left_alone():
    model = convolutional().float()
    model[0].weight.requires_grad_(False)
    model.train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    batches = batches_of((1, 8, 8), dtype=torch.float32)

    def measured():
        with Hessian(model, batches, HessianConfig(density_steps=5), seed=3) as hessian:
            return hessian.top_eigenvalue(), hessian.trace(), hessian.density().eigenvalues.tolist()

    assert measured() == measured()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()][:2] == [False, True]
    assert all(p.grad is None for p in model.parameters())
    assert not any(part._forward_hooks for part in model.modules())


def test_attention_can_be_differentiated_twice():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.norm, self.last = nn.LayerNorm(4), nn.Linear(4, CLASSES)
            self.double()

        def forward(self, images):
            tokens = images.flatten(1).unflatten(1, (3, 4))
            return self.last(self.norm(self.attention(tokens, tokens, tokens, need_weights=False)[0]).mean(dim=1))

    model, batches = Attending(), batches_of((1, 3, 4))
    config = HessianConfig(trace_probes=100, trace_tolerance=0.01, eigenvalue_tolerance=1e-6)
    with Hessian(model, batches, config, seed=0) as hessian:
        top, found = hessian.top_eigenvalue(), hessian.trace()
        full = exact(model, batches)
    assert top.value == pytest.approx(float(torch.linalg.eigvalsh(full)[-1]), rel=1e-4)
    assert abs(found.value - float(full.trace())) < 4 * found.standard_error


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_named(weight):
    model = dense()
    with torch.no_grad():
        model[1].bias[0] = weight
    with (
        pytest.raises(InvalidInput, match=r"1\.bias: holds NaN"),
        Hessian(model, batches_of((1, 2, 3)), HessianConfig(), seed=0),
    ):
        pass
    assert model.training


def test_no_batches_are_refused():
    with pytest.raises(InvalidInput, match="batches"), Hessian(dense(), [], HessianConfig(), seed=0):
        pass


def test_the_metrics_declare_what_they_are():
    assert TOP_EIGENVALUE.better == TRACE.better == "lower"
    assert TRACE.unit.startswith("nats")
