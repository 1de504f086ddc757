"""Whatever computes does so on a second device as on the CPU, and gives back there what it was given there."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from framework import mappings, metrics
from framework.fusion import MERGING, METHODS, fuse, merge, reset_statistics, zipit
from framework.metrics.unexplained import variance_unexplained
from framework.multitask.networks.config import AbcMLP
from framework.multitask.networks.coordinates import coordinate_check
from framework.tabular.config import MLP
from framework.tabular.network import TableNetwork
from tests.second_device import DEVICE, SecondDevice

N = 96
SEEN = torch.Generator().manual_seed(0)
INPUTS = torch.randn(N, 3, 8, 8, generator=SEEN)
LABELS = torch.randint(0, 5, (N,), generator=SEEN)
Z, Y = torch.randn(80, 6, generator=SEEN), torch.randn(80, 6, generator=SEEN) + 3
pytestmark = pytest.mark.filterwarnings("ignore")  # few inputs


@pytest.fixture(autouse=True)
def second_device() -> Iterator[None]:
    with SecondDevice():
        yield


def network(seed: int, *, norm: bool = True, width: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width) if norm else nn.Identity(),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 6),
        nn.ReLU(),
        nn.Linear(6, 5),
    ).eval()


def there(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).to(DEVICE)


def refuse_difference(found: nn.Module, expected: nn.Module, within: float = 1e-4) -> None:
    assert {tensor.device for tensor in found.state_dict().values()} == {DEVICE}
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name].cpu(), value, rtol=within, atol=within)


def test_the_second_device_refuses_what_a_gpu_refuses() -> None:
    here, moved = torch.ones(2), torch.ones(2).to(DEVICE)
    assert moved.device == DEVICE
    assert (moved * 3.0 + torch.tensor(1.0)).tolist() == [4, 4]
    assert moved[torch.tensor([1])].tolist() == [1]
    with pytest.raises(RuntimeError, match="same device"):
        here + moved
    with pytest.raises(RuntimeError, match="same device"):
        moved.index_add_(0, torch.tensor([0, 1]), moved)
    with pytest.raises(TypeError, match="numpy"):
        moved.numpy()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_fusing(method: str, norm: bool) -> None:
    first, second = network(0, norm=norm), network(1, norm=norm)
    labels = {"labels": LABELS[:16]} if method == "sinkhorn_matching" else {}
    options: dict[str, Any] = {"steps": 2} if labels else {}
    inputs = INPUTS[:16] if labels else INPUTS
    expected = fuse(first, second, method, inputs=inputs, **labels, **options)
    moved = {name: value.to(DEVICE) for name, value in labels.items()}
    found = fuse(there(first), there(second), method, inputs=inputs.to(DEVICE), **moved, **options)
    refuse_difference(found, expected)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "options", [{"repair": True}, {"merge": "regression"}, {"source": "activations"}], ids=str
)
def test_fusing_on_activations(options: dict[str, Any], norm: bool) -> None:
    first, second = network(0, norm=norm), network(1, norm=norm)
    expected = fuse(first, second, inputs=INPUTS, **options)
    for inputs in (INPUTS, INPUTS.to(DEVICE)):
        refuse_difference(fuse(there(first), there(second), inputs=inputs, **options), expected, 1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_fusing_in_other_precisions(dtype: torch.dtype) -> None:
    models = [network(seed).to(dtype) for seed in (0, 1)]
    found = fuse(*map(there, models), inputs=INPUTS.to(DEVICE, dtype))
    refuse_difference(found, fuse(*models, inputs=INPUTS.to(dtype)), 1e-2)


def test_regression_with_fewer_rows_than_columns() -> None:
    wide = [nn.Sequential(nn.Flatten(), nn.Linear(192, 4)) for _ in range(2)]
    refuse_difference(
        fuse(*map(there, wide), "average", inputs=INPUTS.to(DEVICE), merge="regression"),
        fuse(*wide, "average", inputs=INPUTS, merge="regression"),
        1e-3,
    )


def test_the_aligned_models_lie_where_the_models_do() -> None:
    found = fuse(there(network(0)), there(network(1)), return_alignment=True)
    expected = fuse(network(0), network(1), return_alignment=True)
    refuse_difference(found.aligned[1], expected.aligned[1])


@pytest.mark.parametrize("norm", [False, True])
def test_zipping(norm: bool) -> None:
    first, second = network(0, norm=norm), network(1, norm=norm)
    refuse_difference(zipit(there(first), there(second), INPUTS.to(DEVICE)), zipit(first, second, INPUTS), 1e-3)


def test_zipping_in_part() -> None:
    expected = zipit(network(0), network(1), INPUTS, until="5")
    found = zipit(there(network(0)), there(network(1)), INPUTS.to(DEVICE), until="5")
    refuse_difference(found, expected, 1e-3)
    logits = found(INPUTS.to(DEVICE))
    torch.testing.assert_close(logits.cpu(), expected(INPUTS), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", MERGING)
def test_merging(method: str) -> None:
    base, tuned = network(9), [network(seed) for seed in range(3)]
    given: dict[str, Any] = {"inputs": INPUTS, "labels": LABELS}
    options = {"num_samples": N} if method in ("fisher", "regmean") else {}
    moved = {**{name: value.to(DEVICE) for name, value in given.items()}, **options}
    expected = merge(tuned, base, method, **given, **options, val=(INPUTS, LABELS))
    val = (INPUTS.to(DEVICE), LABELS.to(DEVICE))
    refuse_difference(merge([there(model) for model in tuned], there(base), method, **moved, val=val), expected)


def test_running_statistics() -> None:
    module, expected = there(network(0)), network(0)
    reset_statistics(module, INPUTS.to(DEVICE))
    reset_statistics(expected, INPUTS)
    refuse_difference(module, expected)


@pytest.mark.parametrize("name", mappings.METHODS)
def test_mappings(name: str) -> None:
    method = mappings.METHODS[name]()
    expected: Tensor = method.fit(Z, Y)(Z)
    fitted_there = method.fit(Z.to(DEVICE), Y.to(DEVICE))
    fitted_here = method.fit(Z, Y)
    assert all(buffer.device == DEVICE for buffer in fitted_there.buffers())
    for mapping in (fitted_there, fitted_here, fitted_here.to(DEVICE)):
        image = mapping(Z.to(DEVICE))
        assert image.device == DEVICE
        torch.testing.assert_close(image.cpu(), expected)
        torch.testing.assert_close(mapping(Z), expected)
        assert torch.from_numpy(mapping(Z.numpy())).allclose(expected, atol=1e-5)


@pytest.mark.parametrize("name", ["cka", "svcca", "pwcca", "rsa", "procrustes", "mutual_knn"])
def test_similarities(name: str) -> None:
    similarity = getattr(metrics, name)
    assert similarity(Z.to(DEVICE), Y.to(DEVICE)).value == similarity(Z, Y).value


def test_the_variance_that_is_left() -> None:
    assert variance_unexplained(Z.to(DEVICE), Y.to(DEVICE)) == variance_unexplained(Z, Y)


@pytest.mark.parametrize("curvature", [metrics.hessian_trace, metrics.top_eigenvalue])
def test_curvature(curvature: Callable[..., Any]) -> None:
    data = (INPUTS, LABELS)
    expected = float(curvature(network(0, norm=False), data, batches=1))
    for given in (data, tuple(tensor.to(DEVICE) for tensor in data)):
        found = float(curvature(there(network(0, norm=False)), given, batches=1))
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_networks_of_tasks(optimizer: str) -> None:
    config = AbcMLP(width=8, parametrisation="ntk")
    frames = [
        coordinate_check(config, optimizer, 0.1, Z.to(device), Y.to(device), widths=(8,), seeds=(0,))
        for device in (torch.device("cpu"), DEVICE)
    ]
    assert frames[1].mean_abs.to_numpy() == pytest.approx(frames[0].mean_abs.to_numpy(), rel=1e-4)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_networks_over_tables(num_classes: int) -> None:
    torch.manual_seed(0)
    here = TableNetwork(MLP(hidden=(5,)), 6, num_classes)
    here.standardise(Y[:, 0])
    moved, features = there(here), Z.double().numpy()
    assert moved.predict(features) == pytest.approx(here.predict(features), rel=1e-5)
    assert torch.allclose(moved(Z.to(DEVICE)).cpu(), here(Z), atol=1e-5)
