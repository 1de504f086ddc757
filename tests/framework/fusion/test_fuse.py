import copy
import warnings

import pytest
import torch
from torch import nn

from framework.errors import ConfigError, InvalidInput
from framework.fusion import METHODS, align, fuse, merge, reset_statistics
from framework.fusion.ensemble import Ensemble
from framework.fusion.fusing import mean_of
from framework.fusion.interpolation import barrier, between
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from tests.framework.fusion.zoo import NAMES, difference, images, module

pytestmark = pytest.mark.filterwarnings("ignore:there are 16 inputs")


def shuffled(made, seed=1):
    bases = structure_of(made, images()).bases
    return permuted(made, bases, random_plans(bases, seed))


def largest_change(first, second):
    other = second.state_dict()
    return max(
        float((tensor.double() - other[name].double()).abs().max()) for name, tensor in first.state_dict().items()
    )


def settled(made):
    """The model with the statistics of the inputs, as every fused model has them."""
    return reset_statistics(copy.deepcopy(made), images())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_fused_with_itself_in_another_order_is_itself(name):
    made = module(name)
    fused = fuse([made, shuffled(made)], inputs=images())
    assert largest_change(settled(made), fused) < 1e-5
    assert difference(settled(made), fused) < 1e-5


@pytest.mark.parametrize("name", ["mlp with bias", "residual", "resnet18 with norm", "attention", "multihead"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["ot", "weight_matching"])
def test_models_in_other_precisions_come_back_in_theirs(name, dtype, method):
    made = module(name).to(dtype)
    fused = fuse([made, shuffled(made)], method, inputs=images())
    aligned = align(made, shuffled(made), method, inputs=images().to(dtype))
    for back in (fused, aligned):
        assert {t.dtype for t in back.state_dict().values() if t.is_floating_point()} == {dtype}
    near = {"rtol": 1e-2 if dtype == torch.bfloat16 else 2e-3, "atol": 1e-6}
    weights = dict(made.named_parameters())
    for back in (fused, aligned):
        assert all(torch.allclose(part, weights[key], **near) for key, part in back.named_parameters())


@pytest.mark.parametrize(
    "options",
    [
        {"merge": "regression"},
        {"repair": True},
        {"method": "gw"},
        {"source": "activations", "num_samples": 50},
        {"method": "activation_matching", "num_samples": 50},
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_whatever_looks_at_activations_does_so_in_every_precision(options, dtype):
    single = [module("residual"), module("residual", seed=5)]
    expected = fuse(single, inputs=images(64), **options)
    made = fuse([copy.deepcopy(model).to(dtype) for model in single], inputs=images(64), **options)
    assert {t.dtype for t in made.state_dict().values() if t.is_floating_point()} == {dtype}
    most = {torch.float64: 1e-3, torch.float16: 0.02, torch.bfloat16: 0.2}[dtype]
    assert difference(expected, made.float()) < most


def test_a_bias_tells_units_apart_by_its_size_and_not_by_its_sign():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 2))
    with torch.no_grad():
        made[0].weight[6:] = made[0].weight[:6]  # each row twice
        made[0].bias.copy_(torch.cat([torch.full((6,), 0.2), torch.full((6,), 3.0)]))
    order = torch.randperm(12)
    other = copy.deepcopy(made)
    with torch.no_grad():
        for old, new in ((made[0].weight, other[0].weight), (made[0].bias, other[0].bias)):
            new.copy_(old[order])
        other[2].weight.copy_(made[2].weight[:, order])
        other[2].weight.add_(0.3 * torch.randn(2, 12))  # nothing but the rows can tell
    aligned = align(made, other)
    assert torch.equal(aligned[0].weight, made[0].weight)
    assert torch.equal(aligned[0].bias, made[0].bias)


def test_batch_normalisation_gets_statistics_or_a_warning():
    models = [module("residual"), module("residual", seed=5)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused = fuse(models, inputs=images(40))
        fuse([module("mlp"), module("mlp", seed=5)])
    expected = reset_statistics(copy.deepcopy(fused), images(40))
    assert torch.allclose(fused.norm.running_mean, expected.norm.running_mean)
    with pytest.warns(UserWarning, match=r"0 inputs[\s\S]*reset_statistics"):
        fuse(models)
    with pytest.warns(UserWarning, match="3 inputs"):
        fuse(models, inputs=images(3))


@pytest.mark.parametrize("name", ["mlp", "residual", "grouped", "attention", "vgg11", "resnet18"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("weight_matching", {}),
        ("ot", {"solver": "sinkhorn", "reg": 0.002}),
        ("ot", {"solver": "emd", "normalise_rows": False}),
        ("ot", {"ground": {"metric": "cosine", "scale": "max"}}),
    ],
)
def test_other_methods_find_the_order_again_too(name, method, options):
    made = module(name)
    assert difference(settled(made), fuse([made, shuffled(made)], method, inputs=images(), **options)) < 1e-3


@pytest.mark.parametrize("name", ["mlp with bias", "residual", "resnet18 with norm"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ot", {"source": "activations", "num_samples": 16}),
        ("ot", {"source": "activations", "num_samples": 16, "activation": "post", "statistic": "centred"}),
        ("activation_matching", {"num_samples": 16, "activation": "pre"}),
    ],
)
def test_activations_find_the_order_again(name, method, options):
    made = module(name)
    aligned = align(made, shuffled(made), method, inputs=images(), **options)
    assert difference(made, mean_of([made, aligned], [0.5, 0.5])) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_an_aligned_model_computes_what_it_did(name):
    reference, made = module(name), module(name, seed=5)
    assert difference(made, align(reference, made, inputs=images())) < 1e-5


def squared_distance(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return sum(float((mine - theirs).square().sum()) for mine, theirs in pairs)


def test_alignment_brings_models_closer_than_they_were():
    reference, made = module("mlp"), module("mlp", seed=5)
    for method in ("ot", "weight_matching"):
        assert squared_distance(reference, align(reference, made, method)) < squared_distance(reference, made)


def test_the_average_is_the_mean_of_the_weights_and_its_ends_are_the_parents():
    first, second = module("resnet18 with norm"), module("resnet18 with norm", seed=5)
    half = fuse([first, second], "average", inputs=images())
    for name, tensor in half.state_dict().items():
        if tensor.is_floating_point() and "running" not in name:
            assert torch.allclose(tensor, (first.state_dict()[name] + second.state_dict()[name]) / 2)
    for weights, parent in (([1.0, 0.0], first), ([0.0, 1.0], second)):
        fused = fuse([first, second], "average", inputs=images(), weights=weights)
        assert all(torch.equal(t, parent.state_dict()[n]) for n, t in fused.state_dict().items())


def test_several_models_are_fused_by_their_shares():
    made = module("residual")
    models = [made, shuffled(made, 1), shuffled(made, 2)]
    assert difference(settled(made), fuse(models, inputs=images(), weights=[0.5, 0.2, 0.3])) < 1e-5
    first, second, third = (module("mlp", seed) for seed in (1, 2, 3))
    fused = fuse([first, second, third], "average", weights=[0.5, 0.2, 0.3])
    expected = 0.5 * first.head.weight + 0.2 * second.head.weight + 0.3 * third.head.weight
    assert torch.allclose(fused.head.weight, expected)


def widened(made, factor):
    """The same function with `factor` copies of every hidden unit."""
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 7 * factor), nn.ReLU(), nn.Linear(7 * factor, 3))
    with torch.no_grad():
        wide[1].weight.copy_(made[1].weight.repeat(factor, 1))
        wide[1].bias.copy_(made[1].bias.repeat(factor))
        wide[3].weight.copy_(made[3].weight.repeat(1, factor) / factor)
        wide[3].bias.copy_(made[3].bias)
    return wide


def test_models_of_other_widths_are_brought_to_the_first_ones():
    torch.manual_seed(0)
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, 3)).eval()
    wide = widened(narrow, 3)
    assert difference(narrow, align(wide, narrow, inputs=images())) < 1e-5
    assert difference(narrow, align(narrow, wide, inputs=images())) < 1e-5
    assert fuse([wide, narrow], inputs=images())[1].weight.shape == (21, 64)
    with pytest.raises(InvalidInput, match=r"1\.weight: is \(7, 64\), in the reference \(21, 64\)"):
        align(wide, narrow, "weight_matching", inputs=images())


def test_the_inputs_are_not_changed():
    first, second = module("dense"), module("dense", seed=5).train()
    before = [copy.deepcopy(model.state_dict()) for model in (first, second)]
    fuse([first, second], inputs=images(), repair=True)
    fuse([first, second], inputs=images(), merge="regression")
    for model, state in zip((first, second), before, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert second.training
    assert not first.training


def test_the_last_layer_moves_only_when_it_is_let():
    made = module("mlp")
    turned = copy.deepcopy(made)
    with torch.no_grad():
        turned.head.weight.copy_(made.head.weight[[2, 0, 1]])
    assert largest_change(made, fuse([made, turned])) > 1e-3
    assert largest_change(made, fuse([made, turned], fix_outputs=False)) < 1e-6


def test_everything_that_is_wrong_is_told():
    made, other = module("mlp"), module("mlp with bias")
    with pytest.raises(InvalidInput, match=r"encoder\.1\.bias: is in the model alone"):
        fuse([made, other])
    with pytest.raises(InvalidInput, match=r"in the reference alone|in the model alone"):
        fuse([module("vgg11"), module("resnet18")], inputs=images())
    classes = copy.deepcopy(made)
    classes.head = nn.Linear(7, 4, bias=False)
    with pytest.raises(InvalidInput, match=r"head\.weight: is \(4, 7\), in the reference \(3, 7\)"):
        fuse([made, classes])
    broken = copy.deepcopy(made)
    broken.head.weight.data[0, 0] = float("nan")
    with pytest.raises(InvalidInput, match=r"models\[1\]\.head\.weight: holds NaN"):
        fuse([made, broken])
    with pytest.raises(InvalidInput, match="at least two are fused"):
        fuse([made])
    with pytest.raises(InvalidInput, match=r"sums to 1\.2; shares must be 0 or more"):
        fuse([made, made], weights=[0.6, 0.6])
    with pytest.raises(InvalidInput, match="has 1 numbers for 2 models"):
        fuse([made, made], weights=[1.0])
    with pytest.raises(InvalidInput, match="needed to see activations on"):
        fuse([made, made], source="activations")
    with pytest.raises(InvalidInput, match="inputs: are 1; activations are compared over 2 or more"):
        fuse([made, made], source="activations", inputs=images()[:1])
    with pytest.raises(InvalidInput, match=r"needed to see activations on \(merge=regression"):
        fuse([made, made], merge="regression")
    with pytest.raises(InvalidInput, match="merge: is 'median'; allowed: mean, regression"):
        fuse([made, made], merge="median")
    with pytest.raises(ConfigError, match="method: is 'otto'"):
        fuse([made, made], "otto")
    with pytest.raises(ConfigError, match="solver: is 'simplex'"):
        fuse([made, made], solver="simplex")
    with pytest.raises(ConfigError, match="marginals=uniform"):
        fuse([made, made], solver="assignment", marginals="l1")
    with pytest.raises(InvalidInput, match="sinkhorn_matching learns on a batch of inputs"):
        fuse([made, made], "sinkhorn_matching")


def test_every_method_is_public():
    matching = {"weight_matching", "cycle_consistent", "activation_matching", "sinkhorn_matching"}
    assert set(METHODS) == {"average", "ot", "gw", *matching}


def test_the_ensemble_gives_the_weighted_mean_of_the_logits():
    first, second = module("mlp"), module("mlp", seed=5)
    ensemble = Ensemble([first, second], [0.25, 0.75])
    inputs = images()
    assert torch.allclose(ensemble(inputs), 0.25 * first(inputs) + 0.75 * second(inputs))


def test_the_line_between_two_models_and_its_barrier():
    first, second = module("mlp"), module("mlp", seed=5)
    places = [0.0, 0.5, 1.0]
    line = dict(between(first, second, places))
    assert torch.equal(line[0.0].head.weight, first.head.weight)
    assert torch.equal(line[1.0].head.weight, second.head.weight)
    assert torch.allclose(line[0.5].head.weight, (first.head.weight + second.head.weight) / 2)
    assert barrier([0, 0.25, 0.5, 1], [1.0, 2.5, 4.0, 3.0]) == pytest.approx(2.0)
    assert barrier([0, 0.5, 1], [1.0, 0.5, 1.0]) == 0.0


def test_models_are_given_one_after_the_other_or_as_a_sequence():
    first, second = module("mlp with bias"), module("mlp with bias", 1)
    expected = fuse([first, second], "weight_matching")
    for fused in (
        fuse(first, second, method="weight_matching"),
        fuse(first, second, "weight_matching"),
        fuse((first, second), method="weight_matching"),
    ):
        assert largest_change(expected, fused) == 0
    third = module("mlp with bias", 2)
    assert largest_change(fuse([first, second, third]), fuse(first, second, third)) == 0
    with pytest.raises(InvalidInput, match="method: is given twice: 'ot' and 'average'"):
        fuse(first, second, "ot", method="average")


def test_what_is_no_module_is_refused_in_words():
    made = module("mlp with bias")
    with pytest.raises(InvalidInput, match=r"models\[1\]: is a state dict; give the module that holds it"):
        fuse(made, made.state_dict())
    with pytest.raises(InvalidInput, match="2 problems"):
        fuse([made.state_dict(), 3])
    with pytest.raises(InvalidInput, match="holds 1; at least two are fused"):
        fuse(made)
    with pytest.raises(InvalidInput, match="reference: is a state dict"):
        align(made.state_dict(), made)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_alignment_comes_with_the_fused_model(dtype):
    made = module("mlp with bias").to(dtype)
    found = fuse(made, shuffled(made), return_alignment=True)
    assert found.aligned[0] is made
    assert largest_change(found.aligned[1], made) == 0
    assert largest_change(found.model, made) < 1e-6
    (alignment,) = found.alignments
    assert [row["cost"] for row in alignment.rows()] == pytest.approx([0] * len(alignment.plans), abs=1e-3)
    assert set(alignment.plans) == {row["basis"] for row in alignment.rows()}


def test_few_inputs_are_taken_with_a_warning():
    made = module("mlp with bias")
    with pytest.warns(UserWarning, match="over 16 inputs, and 1000 are asked for"):
        fused = fuse(made, shuffled(made), "activation_matching", inputs=images())
    assert largest_change(fused, made) < 1e-6


@pytest.mark.parametrize("weights", [[float("nan")] * 2, [float("nan"), 1.0]])
def test_shares_that_are_no_numbers_are_refused(weights):
    with pytest.raises(InvalidInput, match="weights"):
        fuse(module("mlp"), module("mlp", seed=5), weights=weights)


@pytest.mark.filterwarnings("ignore:there are 16 inputs")
@pytest.mark.parametrize("second", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("first", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("options", [{}, {"method": "activation_matching"}, {"repair": True}])
def test_models_of_two_precisions_become_one_in_the_first(first, second, options):
    models = module("mlp with bias").to(first), module("mlp with bias", seed=5).to(second)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few inputs
        made = fuse(*models, inputs=images(), **options)
        moved = align(*models, inputs=images())
    assert {tensor.dtype for of in (made, moved) for tensor in of.parameters()} == {first}
    assert {tensor.dtype for tensor in models[1].parameters()} == {second}


@pytest.mark.parametrize("options", [{}, {"merge": "regression"}, {"method": "activation_matching"}])
def test_inputs_that_hold_nan_are_refused(options):
    inputs = images()
    inputs[3] = torch.nan
    with pytest.raises(InvalidInput, match="inputs: holds NaN"):
        fuse(module("resnet18 with norm"), module("resnet18 with norm", seed=5), inputs=inputs, **options)


def test_a_slip_of_an_argument_is_told_as_one():
    pair = [nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)) for _ in range(2)]
    with pytest.raises(ConfigError, match=r"input: unknown argument; did you mean `inputs`\?"):
        fuse(*pair, input=torch.randn(8, 3))
    for of in (lambda: align(*pair, input=torch.randn(8, 3)), lambda: merge(pair, method="soup", input=None)):
        with pytest.raises(ConfigError, match=r"input: unknown argument; did you mean `inputs`\?"):
            of()
    with pytest.raises(ConfigError, match=r"sorce: unknown key; did you mean `source`\?"):
        fuse(*pair, sorce="activations")
