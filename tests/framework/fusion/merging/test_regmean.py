import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from framework.fusion import merge
from framework.fusion.merging import regmean as file
from framework.fusion.merging.config import RegMean
from framework.fusion.merging.regmean import regmean
from tests.framework.fusion.merging.models import close, family, fine_tuned, linear, weights
from tests.framework.fusion.zoo import images, module


def least_squares(models, batches):
    """The weight that is closest to what every model writes on its own inputs, by stacking them."""
    rows = torch.cat(list(batches)).double()
    outputs = torch.cat([model.double()(batch.double()) for model, batch in zip(models, batches, strict=True)])
    return torch.linalg.lstsq(rows, outputs.detach()).solution.T


def batches_of(number, samples=40, width=5):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(samples, width, generator=generator) @ torch.randn(width, width, generator=generator)
            for _ in range(number)]  # fmt: skip


@pytest.mark.parametrize("number", [1, 2, 4])
def test_of_a_linear_model_it_is_the_least_squares_solution(number):
    models, batches = [linear(seed=seed) for seed in range(number)], batches_of(number)
    made = merge(models, method="regmean", inputs=batches, num_samples=40, alpha=1.0, ridge=1e-12)
    expected = least_squares(models, batches)
    assert torch.allclose(made.double().weight, expected, atol=1e-5)
    if number > 1:
        mean = torch.stack([model.weight for model in models]).mean(0)
        assert not torch.allclose(made.weight, mean, atol=1e-2)


def test_a_bias_is_a_row_for_an_input_of_one():
    models, batches = [linear(bias=True, seed=seed) for seed in range(3)], batches_of(3)
    made = merge(models, method="regmean", inputs=batches, num_samples=40, alpha=1.0, ridge=1e-12).double()
    ones = [torch.cat([batch, torch.ones(len(batch), 1)], dim=1) for batch in batches]
    outputs = torch.cat([model.double()(batch.double()) for model, batch in zip(models, batches, strict=True)])
    expected = torch.linalg.lstsq(torch.cat(ones).double(), outputs.detach()).solution.T
    assert torch.allclose(made.weight, expected[:, :-1], atol=1e-5)
    assert torch.allclose(made.bias, expected[:, -1], atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9])
def test_the_off_diagonal_is_scaled(alpha):
    models, batches = [linear(seed=seed) for seed in range(2)], batches_of(2)
    made = merge(models, method="regmean", inputs=batches, num_samples=40, alpha=alpha, ridge=1e-12)
    grams = [batch.double().T @ batch.double() for batch in batches]
    grams = [alpha * gram + (1 - alpha) * torch.diag(torch.diag(gram)) for gram in grams]
    pairs = zip(grams, models, strict=True)
    pulled = sum(gram @ model.weight.detach().double().T for gram, model in pairs)
    assert torch.allclose(made.weight.double(), (torch.linalg.inv(sum(grams)) @ pulled).T, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        lambda: nn.Conv2d(3, 4, 3, stride=2, dilation=2, bias=False),
        lambda: nn.Conv2d(3, 4, (1, 3), padding="same"),
    ],
)
def test_a_convolution_is_linear_in_its_patches(layer):
    """The merged filter is closest to what each model writes: no other step makes the squared error less."""
    torch.manual_seed(0)
    models = fine_tuned(layer(), 2, size=0.3)
    batches = [torch.randn(20, 3, 6, 6), torch.randn(20, 3, 6, 6) * torch.tensor([0.2, 1, 3]).view(1, 3, 1, 1)]
    made = merge(models, method="regmean", inputs=batches, num_samples=20, alpha=1.0, ridge=1e-12).double()
    error = sum(
        F.mse_loss(made(batch.double()), model.double()(batch.double()).detach(), reduction="sum")
        for model, batch in zip(models, batches, strict=True)
    )
    slopes = torch.autograd.grad(error, list(made.parameters()))
    zero = copy.deepcopy(made)
    with torch.no_grad():
        for part in zero.parameters():
            part.mul_(1.01)
    size = sum(
        F.mse_loss(zero(batch.double()), model(batch.double()).detach(), reduction="sum")
        for model, batch in zip(models, batches, strict=True)
    )
    assert float(error.detach()) < float(size.detach())
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-2


def test_each_layer_of_a_network_sees_the_inputs_that_it_has_in_each_model():
    _, models = family("mlp with bias", number=2, size=0.3)
    inputs = images(64)
    made = merge(models, method="regmean", inputs=inputs, num_samples=64, alpha=0.9, ridge=1e-9)
    layers = [(name, part) for name, part in models[0].named_modules() if isinstance(part, nn.Linear)]
    for name, _ in layers:
        grams, rows = [], []
        for model in models:
            seen = []
            layer = model.get_submodule(name)
            handle = layer.register_forward_hook(lambda module, given, _, seen=seen: seen.append(given[0]))
            model.eval()(inputs)
            handle.remove()
            x = torch.cat([seen[0], torch.ones(64, 1)], dim=1).double().detach()
            gram = 0.9 * x.T @ x + 0.1 * torch.diag((x**2).sum(0))
            grams.append(gram)
            rows.append(gram @ torch.cat([layer.weight.T, layer.bias[None]]).double().detach())
        total = sum(grams)
        expected = torch.linalg.lstsq(total, sum(rows), driver="gelsd").solution
        fitted = made.get_submodule(name)
        found = torch.cat([fitted.weight.T, fitted.bias[None]]).double()
        assert torch.allclose(total @ found, total @ expected, atol=1e-3, rtol=1e-4)


def test_directions_that_no_input_has_get_the_mean():
    models = [linear(seed=seed) for seed in range(2)]
    batch = torch.randn(30, 5)
    batch[:, 2] = 0
    made = merge(models, method="regmean", inputs=batch, num_samples=30, alpha=1.0)
    mean = (models[0].weight + models[1].weight) / 2
    assert torch.allclose(made.weight[:, 2], mean[:, 2], atol=1e-6)


@pytest.mark.filterwarnings("ignore:there are")
@pytest.mark.parametrize("name", ["residual", "grouped", "attention", "multihead", "functional"])
def test_what_is_no_such_layer_gets_the_mean(name):
    _, models = family(name, number=2)
    made = weights(merge(models, method="regmean", inputs=images(16), num_samples=16))
    fitted = {
        f"{key}.{which}"
        for key, part in models[0].named_modules()
        if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1)
        for which in ("weight", "bias")
    }
    both = [weights(model) for model in models]
    others = set(made) - fitted
    assert others or name == "mlp"
    for key in others:
        assert torch.allclose(made[key], (both[0][key] + both[1][key]) / 2, atol=1e-6), key


def test_a_layer_that_stands_twice_keeps_the_mean_and_stays_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
            self.second.weight = self.first.weight

        def forward(self, inputs):
            return self.head(self.second(self.first(inputs)))

    torch.manual_seed(0)
    base = Tied()
    models = fine_tuned(base, 2)
    for method in ("regmean", "fisher", "soup", "ties"):
        options = {} if method in ("soup", "ties") else {"num_samples": 20}
        made = merge(models, base, method, inputs=torch.randn(20, 4), **options)
        assert made.first.weight is made.second.weight
    mean = (models[0].first.weight + models[1].first.weight) / 2
    fitted = merge(models, method="regmean", inputs=torch.randn(20, 4), num_samples=20)
    assert torch.allclose(fitted.first.weight, mean, atol=1e-6)


def test_layers_wait_for_room_and_rows_are_left_out(monkeypatch):
    _, models = family("residual", number=2)
    inputs = [images(16)] * 2
    whole = regmean(models, inputs, RegMean(num_samples=16))
    monkeypatch.setattr(file, "ROOM", 1)
    monkeypatch.setattr(file, "PATCHES", 1)
    apart = regmean(models, inputs, RegMean(num_samples=16))
    assert all(torch.allclose(tensor, apart[name], atol=1e-5) for name, tensor in whole.items())
    monkeypatch.setattr(file, "MOST_ROWS", 200)
    fewer = regmean(models, inputs, RegMean(num_samples=16))
    assert not all(torch.allclose(tensor, fewer[name], atol=1e-5) for name, tensor in whole.items())


def test_equal_models_are_what_comes_back():
    made = module("mlp with bias")
    back = merge([made, copy.deepcopy(made)], method="regmean", inputs=images(16), num_samples=16)
    assert close(back, made, atol=1e-6)
