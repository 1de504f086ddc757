import re

import pytest
import torch
from torch import nn

from framework.data.vision import ImageSet, Splits
from framework.errors import InvalidInput
from framework.fusion import align, fuse, merge, reset_statistics, zipit
from framework.metrics import hessian_trace, measure, top_eigenvalue
from framework.metrics.generalisation import score
from framework.metrics.lipschitz import lipschitz_lower_estimate
from framework.metrics.spaces_config import LipschitzConfig
from framework.training.refine import distil, fine_tune
from framework.training.refine_config import RefineConfig

DATA = (torch.ones(8, 4), torch.arange(8) % 3)
NET = nn.Linear(4, 3)
CALLS = {
    "hessian_trace": lambda given: hessian_trace(given, DATA),
    "top_eigenvalue": lambda given: top_eigenvalue(given, DATA),
    "measure": lambda given: measure(given, DATA),
    "zipit": lambda given: zipit(given, NET, DATA[0]),
    "fuse": lambda given: fuse(given, NET),
}
GIVEN = {
    "is a state dict; give the module that holds it": NET.state_dict(),
    "is a NoneType; allowed: a torch": None,
    "is a DataParallel, which hides the layers inside; give the module inside, `.module`": nn.DataParallel(NET),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("says", GIVEN)
def test_what_is_no_plain_module_is_refused_in_words(call, says):
    with pytest.raises(InvalidInput) as caught:
        CALLS[call](GIVEN[says])
    assert says in str(caught.value)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x, mask):
        return self.last(torch.relu(self.first(x)) * mask)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (torch.ones(4, 4), "missing a required argument: 'mask'"),
        (tuple(torch.ones(4, 4) for _ in range(3)), "too many positional"),
        ({"x": torch.ones(4, 4), "msk": torch.ones(4, 1)}, "missing a required argument: 'mask'"),
    ],
)
def test_inputs_that_forward_does_not_take_are_told_with_those_that_it_takes(inputs, says):
    with pytest.raises(InvalidInput) as caught:
        fuse(Two(), Two(), inputs=inputs)
    assert f"Two: takes (x, mask): {says}" in str(caught.value)
    assert "Give all of its inputs" in str(caught.value)


@pytest.mark.parametrize("call", ["hessian_trace", "top_eigenvalue"])
def test_classes_without_a_logit_are_refused_and_inference_mode_is_no_hindrance(call):
    run = {"hessian_trace": hessian_trace, "top_eigenvalue": top_eigenvalue}[call]
    with pytest.raises(InvalidInput, match="labels: holds classes from 1 to 3; allowed: 0 to 2"):
        run(NET, (DATA[0], DATA[1] + 1))
    expected = float(run(NET, DATA))
    with torch.inference_mode():
        assert float(run(NET, (DATA[0] * 1.0, DATA[1] * 1))) == pytest.approx(expected)


def normed(seed=0, width=6):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(width, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


NARROW = torch.rand(40, 7, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(40) % 3
FLAT = ImageSet(NARROW, CLASSES, torch.arange(40))
SPLITS = Splits("flat", FLAT, FLAT, FLAT, torch.zeros(7), torch.ones(7), "unit")
PAIR = [normed(0), normed(1)]
ONCE = RefineConfig(epochs=1, device="cpu")


def learned(**options):
    return fuse(PAIR, "sinkhorn_matching", inputs=NARROW, labels=CLASSES, steps=1, **options)


RUNS = {
    "merge soup": lambda: merge(PAIR, method="soup", inputs=NARROW),
    "merge fisher": lambda: merge(PAIR, method="fisher", inputs=NARROW, num_samples=40),
    "merge regmean": lambda: merge(PAIR, method="regmean", inputs=NARROW, num_samples=40),
    "merge greedy_soup": lambda: merge(PAIR, method="greedy_soup", val=(NARROW, CLASSES)),
    "reset_statistics": lambda: reset_statistics(normed(), NARROW),
    "fuse": lambda: fuse(PAIR, inputs=NARROW),
    "fuse average": lambda: fuse(PAIR, "average", inputs=NARROW),
    "fuse repair": lambda: fuse(PAIR, inputs=NARROW, repair=True),
    "fuse regression": lambda: fuse(PAIR, inputs=NARROW, merge="regression"),
    "fuse activation_matching": lambda: fuse(PAIR, "activation_matching", inputs=NARROW, num_samples=40),
    "fuse sinkhorn_matching": learned,
    "align": lambda: align(*PAIR, "activation_matching", inputs=NARROW, num_samples=40),
    "zipit": lambda: zipit(*PAIR, NARROW),
    "measure": lambda: measure(normed(), (NARROW, CLASSES)),
    "hessian_trace": lambda: hessian_trace(normed(), (NARROW, CLASSES)),
    "score": lambda: score(normed(), FLAT),
    "lipschitz": lambda: lipschitz_lower_estimate(normed(), (7,), LipschitzConfig(), seed=0),
    "fine_tune": lambda: fine_tune(normed(), SPLITS, ONCE),
    "distil": lambda: distil(normed(width=7), normed(), SPLITS, ONCE),
}


@pytest.mark.parametrize("name", RUNS)
def test_inputs_that_do_not_run_through_the_model_are_told_in_one_line(name):
    with pytest.raises(InvalidInput) as caught:
        RUNS[name]()
    (problem,) = caught.value.problems
    assert re.fullmatch(
        r"Sequential: does not run on inputs of (shape|float32) \(\d+, 7\): "
        r"mat1 and mat2 shapes cannot be multiplied \(\d+x7 and 6x5\)",
        str(problem),
    )


def test_a_lack_of_memory_is_no_fault_of_the_inputs():
    class Large(nn.Linear):
        def forward(self, inputs):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        score(Large(7, 3), FLAT)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.inner, self.last = nn.Embedding(9, 4), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, tokens):
        return self.last(torch.relu(self.inner(self.table(tokens).mean(dim=1))))


@pytest.mark.parametrize(
    "options",
    [
        {"method": "activation_matching", "num_samples": 40},
        {"method": "ot", "source": "activations", "num_samples": 40},
        {"method": "sinkhorn_matching", "labels": CLASSES, "steps": 1},
        {"repair": True},
        {"merge": "regression"},
    ],
)
def test_inputs_of_which_only_some_do_not_run_are_told_too(options):
    tokens = torch.zeros(40, 2, dtype=torch.int64)
    tokens[30] = 9  # one beyond the table; a module is traced on the first of its inputs
    with pytest.raises(
        InvalidInput, match=r"Tokens: does not run on inputs of int64 \(\d+, 2\): index out of range"
    ):
        fuse([Tokens(), Tokens()], inputs=tokens, **options)


@pytest.mark.parametrize("call", [hessian_trace, top_eigenvalue])
def test_samples_of_which_only_some_do_not_run_are_told_too(call):
    tokens = torch.zeros(40, 2, dtype=torch.int64)
    tokens[30] = 9
    with pytest.raises(
        InvalidInput, match=r"Tokens: does not run on inputs of int64 \(40, 2\): index out of range"
    ):
        call(Tokens(), (tokens, CLASSES), batch_size=40)


def odd(kind):
    """A tensor (3, 5) that holds no plain array of numbers."""
    plain = torch.ones(3, 5)
    if kind == "nested":
        return torch.nested.nested_tensor([torch.ones(5)] * 3)
    made = {
        "sparse_coo": plain.to_sparse,
        "sparse_csr": plain.to_sparse_csr,
        "mkldnn": plain.to_mkldnn,
        "quantised": lambda: torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8),
        "meta": lambda: plain.to("meta"),
    }
    return made[kind]()


SAYS = {
    "sparse_coo": "is a sparse_coo tensor; allowed: a dense one, as .to_dense() gives it",
    "sparse_csr": "is a sparse_csr tensor; allowed: a dense one",
    "mkldnn": "is a mkldnn tensor; allowed: a dense one",
    "nested": "is a nested tensor; allowed: one of a single shape",
    "quantised": "is quantised (qint8); allowed: floating-point numbers, as .dequantize() gives them",
    "meta": "is on the device meta, where a tensor has a shape and no numbers; load its weights",
}
ODD_CALLS = {
    "merge": lambda model: merge([normed(), model], method="soup", inputs=NARROW[:, :6]),
    "merge into": lambda model: merge([normed()], model, method="task_arithmetic", inputs=NARROW[:, :6]),
    "fuse": lambda model: fuse([normed(), model], inputs=NARROW[:, :6]),
    "align": lambda model: align(normed(), model, inputs=NARROW[:, :6]),
    "align to": lambda model: align(model, normed(), inputs=NARROW[:, :6]),
    "zipit": lambda model: zipit(normed(), model, NARROW[:, :6]),
    "measure": lambda model: measure(model, (NARROW[:, :6], CLASSES)),
}


@pytest.mark.parametrize("call", ODD_CALLS)
@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.filterwarnings("ignore")  # torch warns of what is in beta
def test_a_weight_that_is_no_plain_array_is_told_by_its_place(kind, call):
    model = normed()
    del model[3].weight
    model[3].register_parameter("weight", nn.Parameter(odd(kind), requires_grad=False))
    with pytest.raises(InvalidInput) as caught:
        ODD_CALLS[call](model)
    (problem,) = caught.value.problems
    assert problem.key.endswith(".3.weight")
    assert problem.message.startswith(SAYS[kind])


@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.filterwarnings("ignore")
def test_inputs_that_are_no_plain_array_are_told(kind):
    for call in (reset_statistics, lambda model, inputs: fuse(model, model, inputs=inputs)):
        with pytest.raises(InvalidInput) as caught:
            call(normed(), odd(kind))
        assert f"inputs: {SAYS[kind]}"[:40] in str(caught.value)


@pytest.mark.parametrize("call", [name for name in ODD_CALLS if name != "measure"])
@pytest.mark.filterwarnings("ignore")  # torch warns that quantisation moves to another package
def test_layers_that_keep_packed_weights_are_told(call):
    with pytest.raises(InvalidInput) as caught:
        ODD_CALLS[call](torch.ao.quantization.quantize_dynamic(normed(), {nn.Linear}))
    assert "0._packed_params._packed_params: is a tuple beside the tensors" in str(caught.value)


def test_lazy_layers_are_told():
    with pytest.raises(InvalidInput, match=r"0\.weight: has no shape yet; run the module on a batch first"):
        fuse([nn.Sequential(nn.LazyLinear(3)) for _ in range(2)], inputs=NARROW)
