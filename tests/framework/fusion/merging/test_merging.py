"""What holds for every method: precision, buffers, statistics, what is refused."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from framework.errors import ConfigError, InvalidInput
from framework.fusion import MERGING, merge, reset_statistics
from framework.fusion.merging import combine
from framework.fusion.merging.config import CONFIGS, Ties, needs_score, scales_of
from tests.framework.fusion.merging.models import close, family, fine_tuned, linear, weights
from tests.framework.fusion.zoo import difference, images, module

EVERY = {
    "soup": {},
    "greedy_soup": {},
    "task_arithmetic": {"scales": [0.25, 0.5]},
    "ties": {"density": 0.5},
    "dare": {"drop_rate": 0.3},
    "fisher": {"num_samples": 16},
    "regmean": {"num_samples": 16},
}
VAL = (images(20), torch.arange(20) % 3)
ITSELF = {"task_arithmetic": {"scales": [1 / 3]}, "ties": {"density": 1.0}, "dare": {"drop_rate": 0.0}}


def made_of(models, base, method, **changes):
    options = {"inputs": images(40), "val": VAL} | EVERY[method] | changes
    return merge(models, base, method, **options)


def test_every_method_is_tested_here():
    assert EVERY.keys() == MERGING.keys() == CONFIGS.keys()


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("name", ["mlp with bias", "residual without norm", "attention"])
def test_equal_models_give_themselves(method, name):
    base, (model,) = family(name, number=1)
    options = dict(ITSELF.get(method, {}))
    if method == "dare":
        options["then"] = {"kind": "ties", "density": 1.0}
    made = made_of([copy.deepcopy(model) for _ in range(3)], base, method, **options)
    assert close(made, model, atol=1e-6)


@pytest.mark.parametrize("method", EVERY)
def test_one_model_is_merged_with_nothing(method):
    base, models = family(number=1)
    options = {"task_arithmetic": {"scales": [1.0]}, "ties": {"density": 1.0}}.get(method, {})
    if method == "dare":
        options = {"drop_rate": 0.0, "then": {"scales": [1.0]}}
    assert close(made_of(models, base, method, **options), models[0], atol=1e-6)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_what_comes_back_is_in_the_precision_of_what_was_given(method, dtype):
    base, models = family("residual", number=2)
    expected = made_of(models, base, method)
    given = [copy.deepcopy(model).to(dtype) for model in models]
    before = [copy.deepcopy(model.state_dict()) for model in given]
    made = made_of(given, copy.deepcopy(base).to(dtype), method)
    assert {t.dtype for t in made.state_dict().values() if t.is_floating_point()} == {dtype}
    assert (
        difference(expected, made.float()) < {torch.float64: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.5}[dtype]
    )
    for model, state in zip(given, before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("method", EVERY)
def test_the_models_are_left_as_they_were_and_share_nothing(method):
    base, models = family("residual", number=2)
    models[0].train()
    for model in (*models, base):
        model.norm.num_batches_tracked.fill_(5)
    before = [copy.deepcopy(model.state_dict()) for model in (*models, base)]
    made = made_of(models, base, method)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            tensor.zero_()
    for model, state in zip((*models, base), before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
        assert model.training == (model is models[0])


@pytest.mark.parametrize("method", EVERY)
def test_batch_normalisation_gets_statistics_of_its_own(method):
    base, models = family("residual", number=2)
    made = made_of(models, base, method, **({"score": lambda _: 1.0, "val": None}))
    expected = reset_statistics(copy.deepcopy(made), images(40))
    assert torch.allclose(made.norm.running_mean, expected.norm.running_mean, atol=1e-6)
    assert torch.allclose(made.norm.running_var, expected.norm.running_var, atol=1e-6)


def test_a_warning_tells_where_statistics_are_missing_once_and_where():
    base, models = family("residual", number=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        merge(models, base, "task_arithmetic", scales=[0.1, 0.2, 0.3], val=VAL)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "0 inputs" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merge(models[:1], base, "soup")  # a model itself has the statistics that are right
        merge(models, base, "greedy_soup", score=lambda module: float(close(module, models[0], atol=0)))


def test_a_greedy_soup_of_one_keeps_its_statistics():
    base, models = family("residual", number=2)
    models[0].norm.running_mean.fill_(0.25)
    made = merge(
        models, base, "greedy_soup", inputs=images(40), score=lambda m: float(m.norm.running_mean[0] == 0.25)
    )
    assert made.norm.running_mean.tolist() == [0.25] * 5


def test_statistics_are_over_the_inputs_of_all_models():
    base, models = family("residual", number=2)
    own = [images(32), images(32) + 5]
    made = merge(models, base, "soup", inputs=own)
    expected = reset_statistics(copy.deepcopy(made), torch.cat(own))
    assert torch.allclose(made.norm.running_mean, expected.norm.running_mean, atol=1e-6)


class Several(nn.Module):
    """Takes tokens, numbers, and a factor that belongs to every input."""

    def __init__(self):
        super().__init__()
        self.embedding, self.first, self.last = nn.Embedding(7, 4), nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(self, tokens, numbers, factor):
        return self.last(torch.relu(self.embedding(tokens).sum(1) + factor * self.first(numbers)))


class Joint(Several):
    """The same on one tensor."""

    def forward(self, both):
        return super().forward(both[:, :2].long(), both[:, 2:5], both[0, 5])


@pytest.mark.parametrize("method", EVERY)
def test_several_inputs_in_a_row_or_by_name_give_what_one_tensor_gives(method):
    torch.manual_seed(0)
    base = Several()
    models = fine_tuned(base, 2)
    joint = [copy.deepcopy(model) for model in (base, *models)]
    for model in joint:
        model.__class__ = Joint
    tokens, numbers, factor = torch.randint(7, (40, 2)), torch.randn(40, 3), torch.tensor(2.0)
    both = torch.cat([tokens.float(), numbers, factor.expand(40, 1)], dim=1)
    classes = torch.arange(40) % 3
    expected = made_of(joint[1:], joint[0], method, inputs=both, val=(both, classes))
    named = {"factor": factor, "numbers": numbers, "tokens": tokens}
    named = {name: named[name] for name in ("tokens", "numbers", "factor")}  # the first one counts the inputs
    for inputs in ((tokens, numbers, factor), named):
        made = made_of(models, base, method, inputs=inputs, val=(inputs, classes))
        assert close(made, expected, atol=1e-5)
    apart = made_of(models, base, method, inputs=[named, named], val=[(named, classes)])
    assert close(apart, expected, atol=1e-5) or method in ("fisher", "regmean")


@pytest.mark.parametrize("method", EVERY)
def test_arrays_and_loaders_give_what_tensors_give(method):
    base, models = family("mlp with bias", number=2)
    expected = made_of(models, base, method)
    inputs = images(40).numpy()
    loader = DataLoader(TensorDataset(*VAL), batch_size=7)
    assert close(made_of(models, base, method, inputs=inputs, val=loader), expected, atol=0)
    assert close(made_of(models, base, method, inputs=inputs, val=list(loader)), expected, atol=0)
    arrays = tuple(part.numpy() for part in VAL)
    assert close(made_of(models, base, method, inputs=[inputs, inputs], val=arrays), expected, atol=1e-6)


def test_below_zero_a_task_is_unlearned():
    base, (model,) = family(number=1)
    made = merge([model], base, "task_arithmetic", scales=[-1.0])
    start, end = weights(base), weights(model)
    assert all(
        torch.allclose(part, 2 * start[name] - end[name], atol=1e-6) for name, part in weights(made).items()
    )


@pytest.mark.parametrize("method", ["task_arithmetic", "ties"])
def test_nothing_of_the_tasks_is_the_base_with_its_statistics(method):
    base, models = family("residual", number=2)
    base.norm.running_mean.fill_(0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = merge(models, base, method, scales=[0.0])
    assert made.norm.running_mean.tolist() == [0.25] * 5
    assert close(made, base, atol=0)


def test_classes_without_a_logit_are_refused():
    base, models = family("residual", number=2)
    val = (images(4), torch.tensor([0, 1, 2, 11]))
    (text,) = raised(models, base, "greedy_soup", val=val, inputs=images(40))
    assert text == "val: holds classes from 0 to 11; allowed: 0 to 2, of which there are logits"
    assert (
        "val: is list; allowed: (inputs, labels), or a loader" in raised(models, base, "greedy_soup", val=[3])[0]
    )


def test_integers_are_the_bases_and_only_floating_parameters_take_part():
    class Counted(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.weight = nn.Parameter(torch.full((2,), float(count)))
            self.codes = nn.Parameter(torch.full((2,), count), requires_grad=False)
            self.register_buffer("seen", torch.tensor(count))
            self.register_buffer("places", torch.tensor([0.1 * count]))

    base, models = Counted(7), [Counted(1), Counted(3)]
    made = merge(models, base, "ties", density=1.0)
    assert made.weight.tolist() == [2, 2]
    assert made.codes.tolist() == [7, 7]
    assert int(made.seen) == 7
    assert float(made.places) == pytest.approx(0.2)
    assert int(merge(models, method="soup").seen) == 1


def test_frozen_parameters_stay_frozen():
    base, models = family(number=2)
    for model in models:
        next(model.parameters()).requires_grad_(False)
    made = merge(models, base, "ties")
    assert [part.requires_grad for part in made.parameters()][:2] == [False, True]


def raised(*arguments, **options):
    with pytest.raises(InvalidInput) as caught:
        merge(*arguments, **options)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_no_module_is_refused_and_all_of_it_is_told():
    base, models = family(number=2)
    found = raised([models[0].state_dict(), models[1]], base.state_dict())
    assert [text.split(":")[0] for text in found] == ["models[0]", "base"]
    assert all("is OrderedDict; allowed: a module; load_state_dict puts a state dict into one" in t for t in found)
    assert raised([], base) == ["models: is empty; allowed: a list of one module or more"]
    assert "models: is Sequential; allowed: a list" in raised(nn.Sequential(linear()), base)[0]


@pytest.mark.parametrize("models", [None, 3, (linear() for _ in range(2)), linear(), [], {}])
def test_what_is_no_list_of_models_is_refused(models):
    with pytest.raises(InvalidInput, match=r"models: is .*allowed: a list of one module or more"):
        merge(models, linear(), "task_arithmetic")


def test_a_score_that_is_no_function_is_refused():
    with pytest.raises(InvalidInput, match="score: is float; allowed: a function of a module"):
        merge([linear(), linear()], linear(), "ties", scales=[0.1, 0.2], score=0.5)


def test_other_architectures_are_refused():
    base = linear(5, 3)
    (text,) = raised([linear(5, 3), linear(4, 3)], base)
    assert "models[1].weight: is (3, 4), in models[0] (3, 5); what is merged was fine-tuned from one" in text
    assert raised([linear(5, 3)], linear(5, 2))[0].startswith("base.weight: is (2, 5)")
    assert raised([linear(5, 3), linear(5, 3, bias=True)], base) == ["bias: is in the model alone"]


def test_numbers_that_are_not_finite_are_refused_wherever_they_stand():
    base, models = family("mlp", number=2)
    with torch.no_grad():
        next(models[1].parameters())[0, 0] = float("nan")
        next(base.parameters())[0, 0] = float("inf")
    assert [text.split(".")[0] for text in raised(models, base)] == ["models[1]", "base"]
    base, models = family("mlp", number=2)
    bad = images(16).clone()
    bad[0] = float("nan")
    assert raised(models, base, "regmean", inputs=[images(16), bad], num_samples=16) == [
        "inputs[1]: holds NaN or infinite numbers"
    ]
    assert "score: is NaN" in raised(models, base, "greedy_soup", score=lambda _: float("nan"))[0]


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("ties", {"base": None}, "base: is needed to know what fine-tuning changed"),
        ("dare", {"base": None}, "base: is needed"),
        ("task_arithmetic", {"base": None}, "base: is needed"),
        ("fisher", {}, "inputs: are needed to run the models on; give inputs=…"),
        ("regmean", {"inputs": images(16)}, "num_samples: is 1000, and there are 16 inputs"),
        ("greedy_soup", {}, "val: or score is needed to choose on"),
        ("ties", {"scales": [0.5, 1.0]}, "val: or score is needed to choose on"),
        ("soup", {"inputs": [images(16)]}, "inputs: holds 1 batches for 2 models"),
        ("soup", {"inputs": [images(16), images(16)[:0]]}, r"inputs\[1\]: has shape \(0, .* at least one"),
        (
            "fisher",
            {"inputs": images(16), "labels": torch.zeros(3)},
            r"labels: is float32 \(3,\) for 16 inputs; allowed: a class",
        ),
        ("greedy_soup", {"val": (images(4), torch.zeros(3))}, r"val: is float32 \(3,\) for 4 inputs"),
        ("greedy_soup", {"val": VAL, "score": len}, "score: and val are both given"),
    ],
)
def test_what_is_missing_is_told(method, options, message):
    base, models = family("mlp", number=2)
    options = {"base": base} | options
    with pytest.raises(InvalidInput, match=message):
        merge(models, options.pop("base"), method, **options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("tie", {}, "did you mean `ties`"),
        ("ties", {"density": 0.0}, "density"),
        ("ties", {"drop_rate": 0.1}, "drop_rate: unknown key"),
        ("ties", {"scales": []}, "scales: has 0 items"),
        ("ties", {"scales": [0.5, 0.5]}, "scales: holds 0.5 more than once"),
        ("dare", {"drop_rate": 1.0}, "drop_rate"),
        ("dare", {"then": {"kind": "soup"}}, "then.kind: is 'soup'"),
    ],
)
def test_options_that_a_method_does_not_take_are_refused(method, options, message):
    base, models = family("mlp", number=2)
    with pytest.raises(ConfigError, match=message):
        merge(models, base, method, **options)


def test_a_config_knows_what_it_chooses():
    assert not needs_score(Ties())
    assert needs_score(Ties(scales=(0.5, 1.0)))
    assert scales_of(CONFIGS["soup"]()) == ()
    base, models = family("mlp", number=2)
    assert weights(combine(models, base, Ties()).model).keys() == weights(base).keys()


def test_the_seed_of_torch_is_left_alone():
    base, models = family("mlp", number=2)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    for method in EVERY:
        made_of(models, base, method, **({"classes": "sampled"} if method == "fisher" else {}))
    assert torch.equal(torch.rand(3), expected)


def test_a_model_that_is_its_own_base_changes_nothing():
    base = module("mlp")
    models = [base, *fine_tuned(base, 1)]
    assert close(merge(models, base, "task_arithmetic", scales=[1.0]), models[1], atol=1e-6)
