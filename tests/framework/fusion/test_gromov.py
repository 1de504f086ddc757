import pytest
import torch
from torch import nn

from framework.fusion import align
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from tests.framework.fusion.zoo import images, module


def wide():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 3)
    ).eval()


NETS = {
    "wide": wide,
    **{
        name: lambda name=name: module(name)
        for name in ("mlp", "residual", "dense", "grouped", "attention", "vgg11", "resnet18 with norm", "resnet50")
    },
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", NETS)
def test_a_model_in_another_order_is_found_again_by_its_distances_alone(name, dtype):
    made = NETS[name]()
    bases = structure_of(made, images()).bases
    made = made.to(dtype)
    aligned = align(made, permuted(made, bases, random_plans(bases, 1)), "gw", inputs=images())
    for key, tensor in made.state_dict().items():
        assert torch.equal(aligned.state_dict()[key], tensor), key


@pytest.mark.parametrize(
    "options", [{"marginals": "l2"}, {"loss": "kl"}, {"source": "activations", "num_samples": 16}]
)
def test_other_masses_losses_and_activations_find_it_too(options):
    made = NETS["mlp"]()
    bases = structure_of(made, images()).bases
    aligned = align(made, permuted(made, bases, random_plans(bases, 1)), "gw", inputs=images(), **options)
    assert all(torch.allclose(t, made.state_dict()[key], atol=1e-5) for key, t in aligned.state_dict().items())


def test_of_other_widths_a_soft_plan_is_found():
    torch.manual_seed(0)
    narrow, broad = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 3)).eval()
        for width in (7, 12)
    )
    aligned = align(broad, narrow, "gw", inputs=images())
    assert aligned[1].weight.shape == (12, 64)
    assert bool(aligned[1].weight.isfinite().all())
