import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from framework.errors import ConfigError, InvalidInput
from framework.fusion import align, fuse, merge
from framework.fusion.structure import structure_of


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()


WRAPPED = {
    "DataParallel": (lambda: nn.DataParallel(network()), r"\.module"),
    "AveragedModel": (lambda: torch.optim.swa_utils.AveragedModel(network()), r"\.module"),
    "OptimizedModule": (lambda: torch.compile(network()), r"\._orig_mod"),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapper_is_refused_with_what_to_give_instead(name):
    made, instead = WRAPPED[name][0](), WRAPPED[name][1]
    for refused in (
        lambda: fuse([made, made]),
        lambda: align(made, made),
        lambda: structure_of(made, torch.rand(3, 4)),
        lambda: structure_of(nn.Sequential(made, nn.Linear(3, 2)), torch.rand(3, 4)),
    ):
        with pytest.raises(InvalidInput, match=rf"(the module|0): is a {name}, which hides[\s\S]*{instead}"):
            refused()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_scripted_module_is_refused():
    made = torch.jit.script(network())
    with pytest.raises(InvalidInput, match=r"is a ScriptModule[\s\S]*made of"):
        fuse([made, made])


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (parametrizations.spectral_norm, r"0: has a weight that _SpectralNorm computes[\s\S]*remove_param"),
        (parametrizations.orthogonal, "0: has a weight that _Orthogonal computes"),
        (nn.utils.weight_norm, r"0: has a weight that a hook \(WeightNorm\) computes[\s\S]*remove_weight_norm"),
        (nn.utils.spectral_norm, r"a hook \(SpectralNorm\)"),
        (lambda layer: prune.l1_unstructured(layer, "weight", 0.5), r"\(L1Unstructured\)[\s\S]*prune\.remove"),
    ],
)  # fmt: skip
def test_weights_that_are_computed_are_refused_by_name(change, says):
    made = network()
    change(made[0])
    with pytest.raises(InvalidInput, match=says):
        align(made, made, inputs=torch.rand(3, 4))


def test_repair_of_normalised_weights_is_refused_and_regression_leaves_them():
    made = [network(), network()]
    for each in made:
        parametrizations.weight_norm(each[0])
    with pytest.raises(InvalidInput, match="0: has a weight that is computed, which cannot be rescaled"):
        fuse(made, inputs=torch.rand(40, 4), repair=True)
    fused = fuse(made, inputs=torch.rand(40, 4), merge="regression")
    assert torch.equal(fused[0].weight, made[0][0].weight)


@pytest.mark.parametrize("method", [3, None, ["ot"], network()])
def test_a_method_that_is_no_name_is_refused_with_those_there_are(method):
    for refused, one in ((align, "weight_matching"), (merge, "ties")):
        given = [network(), network()]
        with pytest.raises(ConfigError, match=rf"method: is a \w+; allowed: .*\b{one}\b"):
            refused(*given, method=method) if refused is align else refused(given, given[0], method=method)
