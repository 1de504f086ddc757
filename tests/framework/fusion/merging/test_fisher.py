import pytest
import torch
from torch import nn

from framework.errors import InvalidInput
from framework.fusion import merge
from framework.fusion.merging.fisher import fisher_information, fisher_mean
from tests.framework.fusion.merging.models import close, family, weights
from tests.framework.fusion.zoo import images, module


def by_hand(made, inputs, labels=None):
    """Input by input and class by class, with autograd."""
    made.eval()
    parameters = dict(made.named_parameters())
    found = {name: torch.zeros_like(part) for name, part in parameters.items()}
    for number, one in enumerate(inputs):
        log_p = made(one[None]).log_softmax(dim=1)[0]
        classes = range(len(log_p)) if labels is None else [int(labels[number])]
        for which in classes:
            slopes = torch.autograd.grad(log_p[which], list(parameters.values()), retain_graph=True)
            share = float(log_p[which].detach().exp()) if labels is None else 1.0
            for name, slope in zip(parameters, slopes, strict=True):
                found[name] += share * slope**2 / len(inputs)
    return found


@pytest.mark.parametrize("name", ["mlp with bias", "residual", "grouped", "attention", "functional", "multihead"])
def test_the_information_is_the_mean_of_squared_gradients(name):
    made = module(name).double()
    inputs = images(6).double()
    found = fisher_information(made, inputs)
    expected = by_hand(made, inputs)
    assert found.keys() == expected.keys()
    for key, tensor in found.items():
        assert torch.allclose(tensor, expected[key], rtol=1e-6, atol=1e-12), key


def test_labels_give_the_empirical_information_and_draws_come_close_to_the_expectation():
    made, inputs = module("mlp with bias").double(), images(12).double()
    labels = torch.arange(12) % 3
    found, expected = fisher_information(made, inputs, labels, classes="given"), by_hand(made, inputs, labels)
    assert all(torch.allclose(tensor, expected[name]) for name, tensor in found.items())
    many = inputs.repeat(400, 1, 1, 1)
    drawn = fisher_information(made, many, classes="sampled", seed=1)
    whole = fisher_information(made, inputs)
    for name, tensor in drawn.items():
        assert float(tensor.sum()) == pytest.approx(float(whole[name].sum()), rel=0.1)
    again = fisher_information(made, many, classes="sampled", seed=1)
    assert all(torch.equal(tensor, again[name]) for name, tensor in drawn.items())


def test_logistic_regression_has_a_closed_form():
    """F of the weight of class c and input i is E[p_c (1 - p_c) x_i²]."""
    torch.manual_seed(0)
    made, inputs = nn.Linear(4, 3).double(), torch.randn(50, 4, dtype=torch.float64)
    chances = made(inputs).softmax(dim=1)
    spread = (chances * (1 - chances)).T
    found = fisher_information(made, inputs)
    assert torch.allclose(found["weight"], spread @ inputs**2 / 50)
    assert torch.allclose(found["bias"], spread.mean(1))


def test_the_mean_is_weighted_by_the_information():
    states = [{"a": torch.tensor([1.0, 1.0, 1.0])}, {"a": torch.tensor([3.0, 3.0, 3.0])}]
    information = [{"a": torch.tensor([1.0, 3.0, 0.0])}, {"a": torch.tensor([1.0, 1.0, 0.0])}]
    assert fisher_mean(states, information, 1e-6)["a"].tolist() == pytest.approx([2.0, 1.5, 2.0])
    assert fisher_mean(states, information, 10.0)["a"].tolist() == pytest.approx([2.0, 2.0, 2.0])


@pytest.mark.filterwarnings("ignore:there are")
@pytest.mark.parametrize("name", ["mlp with bias", "residual", "dense"])
def test_merging_is_the_formula(name):
    _, models = family(name, number=2)
    inputs = images(8)
    made = weights(merge(models, method="fisher", inputs=inputs, num_samples=8, floor=1e-7))
    found = [by_hand(model, inputs) for model in models]
    for key, tensor in made.items():
        parts = [part[key].detach().clamp_min(1e-7).double() for part in found]
        of = [weights(model)[key] for model in models]
        expected = (parts[0] * of[0] + parts[1] * of[1]) / (parts[0] + parts[1])
        assert torch.allclose(tensor, expected, atol=1e-5), key


def test_each_model_may_have_its_own_inputs():
    _, models = family(number=2)
    own = [images(8), images(8) * 3 + 1]
    apart = merge(models, method="fisher", inputs=own, num_samples=8)
    assert not close(apart, merge(models, method="fisher", inputs=own[0], num_samples=8), atol=1e-4)
    found = [fisher_information(model, batch) for model, batch in zip(models, own, strict=True)]
    states = [dict(model.named_parameters()) for model in models]
    expected = fisher_mean(states, found, 1e-10)
    assert all(torch.allclose(part, expected[name], atol=1e-6) for name, part in apart.named_parameters())


def test_what_gives_no_logits_or_has_no_labels_is_refused():
    _, models = family("residual")
    with pytest.raises(InvalidInput, match="are needed for classes=given"):
        merge(models, method="fisher", inputs=images(8), num_samples=8, classes="given")
    with pytest.raises(InvalidInput, match="labels: holds classes from 0 to 9; allowed: 0 to 2"):
        merge(models, method="fisher", inputs=images(4), labels=torch.tensor([0, 9, 1, 2]), num_samples=4,
              classes="given")  # fmt: skip
    flat = [nn.Flatten(), nn.Linear(64, 3), nn.Unflatten(1, (3, 1))]
    with pytest.raises(InvalidInput, match=r"gives \(4, 3, 1\) for 4 inputs; Fisher merging needs logits"):
        merge([nn.Sequential(*flat)], method="fisher", inputs=images(4), num_samples=4)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 3)

    def forward(self, inputs):
        flat = inputs.flatten(1)
        return self.head(flat if float(flat.sum()) > 0 else -flat)


def test_a_module_whose_way_depends_on_values_is_refused_in_words():
    with pytest.raises(InvalidInput, match="Branching: its gradients cannot be taken input by input"):
        merge([Branching()], method="fisher", inputs=images(4), num_samples=4)
