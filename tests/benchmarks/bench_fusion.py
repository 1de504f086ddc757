"""Fusing two networks by optimal transport, against the layer loop of the published code.

    VGG11       the loop as it is described (`tests/framework/fusion/published.py`), with POT's network simplex,
                then the average. Its distances once as torch.cdist computes them one by one, and once by products,
                torch's default: the faster of both counts
    ResNet18    the published loop crashes on its shortcuts. Here it runs with the rule of its ancestor: a stream
                has the mean of the plans of its two writers. That finds other plans, so that costs are
                compared with our own alignment by the same simplex (`solver="emd"`)

Weights as they are drawn, and after a moment of training. Both sides run in this process, alternately, on the same
weights, with one core, as a worker of a sweep has; each number is the least of several rounds. `fuse` traces the
network, derives which units belong together, and puts that to the test, which the loop knows beforehand.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.fusion import fuse
from framework.fusion.alignment import options_of, plans
from framework.fusion.copies import holding
from framework.fusion.costs import distances
from framework.fusion.fusing import mean_of_states
from framework.fusion.plans import Plan
from framework.fusion.rows import Weights
from framework.fusion.solvers import assigned
from framework.fusion.structure import structure_of
from framework.fusion.task import Task
from framework.models.config import VGG, CIFARResNet
from framework.models.registry import build
from tests.benchmarks.bench_ridge import one_core
from tests.framework.fusion.published import NO_PRODUCTS, published_layer, published_plans

SHAPE, CLASSES = (3, 32, 32), 10
VGG11 = VGG(depth=11, batch_norm=False, bias=False)
RESNET18 = CIFARResNet(depth=18, batch_norm=False, bias=False)
STEPS, BATCH = 10, 16
ROUNDS = 7
TARGET, TOLERANCE = 3.0, 1e-6
BY_PRODUCTS = "use_mm_for_euclid_dist_if_necessary"


def measure() -> Iterator[dict[str, Any]]:
    """A row for each network and each kind of weights."""
    with one_core():
        for weights in ("as drawn", f"after {STEPS} steps"):
            yield vgg(weights, *parents(VGG11, weights))
        for weights in ("as drawn", f"after {STEPS} steps"):
            yield resnet(weights, *parents(RESNET18, weights))


def vgg(weights: str, reference: nn.Module, model: nn.Module) -> dict[str, Any]:
    """`fuse` against the published loop and the average."""
    layers = [[p.detach() for p in one.parameters()] for one in (model, reference)]
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    structure = structure_of(reference, images)

    def known() -> nn.Module:
        return fused(reference, model, Task.of(reference, model, images, target=structure))

    seconds = alternately(
        {
            "fuse": lambda: fuse([reference, model], inputs=images),
            "published": lambda: published(layers, BY_PRODUCTS),
            "structure": lambda: structure_of(reference, images),
            "known": known,
        }
    )
    one_by_one = alternately({"published": lambda: published(layers, NO_PRODUCTS)}, rounds=1)["published"]
    costs, expected = hidden_costs(reference, model, "exact"), published_plans(*layers, BY_PRODUCTS)[1]
    exact = published_plans(*layers, NO_PRODUCTS)[1]
    difference = max(largest_difference(costs, exact), largest_difference(costs, expected))
    theirs = min(seconds["published"], one_by_one)
    ratio = theirs / seconds["fuse"]
    return {
        "name": f"fusion: VGG11 without bias, {sum(p.numel() for p in model.parameters()):,} parameters, "
        f"weights {weights}, one core",
        "measured": f"{1000 * seconds['fuse']:.0f} ms, published loop {1000 * theirs:.0f} ms: {ratio:.1f} times "
        f"faster, costs of hidden layers equal to {difference:.1e}",
        "target": f"≥ {TARGET:.0f} times, equal to {TOLERANCE:g}",
        "reached": ratio >= TARGET and difference <= TOLERANCE,
        "note": f"distances one by one: published loop {1000 * one_by_one:.0f} ms, "
        f"{one_by_one / seconds['fuse']:.1f} times. Trace, derive and test of the structure "
        f"{1000 * seconds['structure']:.0f} ms; with the structure known, as the loop knows it, "
        f"{1000 * seconds['known']:.0f} ms, {theirs / seconds['known']:.1f} times; in it "
        f"{parts(reference, model, images)}",
    }


def resnet(weights: str, reference: nn.Module, model: nn.Module) -> dict[str, Any]:
    """`fuse` against the published loop with its ancestor's rule; costs against our own with the simplex."""
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    seconds = alternately(
        {
            "fuse": lambda: fuse([reference, model], inputs=images),
            "once": lambda: fuse([reference, model], inputs=images, passes=1),
            "loop": lambda: with_shortcuts(model, reference),
            "simplex": lambda: fuse([reference, model], inputs=images, solver="emd"),
        },
        rounds=3,
    )
    costs, expected = (hidden_costs(reference, model, solver) for solver in ("exact", "emd"))
    difference = largest_difference(costs, expected)
    distance = apart(reference, model, images)
    return {
        "name": f"fusion: ResNet18 for small images without bias, {sum(p.numel() for p in model.parameters()):,} "
        f"parameters, weights {weights}, one core",
        "measured": f"{1000 * seconds['fuse']:.0f} ms, by our own with the network simplex "
        f"{1000 * seconds['simplex']:.0f} ms, costs equal to {difference:.1e}",
        "target": f"equal to {TOLERANCE:g}; the published loop crashes on it",
        "reached": difference <= TOLERANCE,
        "note": f"the loop with its ancestor's rule, which sweeps once: {1000 * seconds['loop']:.0f} ms; ours "
        f"sweeps up to 10 times, with passes=1 {1000 * seconds['once']:.0f} ms. Squared distance to the "
        f"reference, relative to the model as it is: {distance[0]:.4f}, with passes=1 {distance[1]:.4f}",
    }


def parents(config: VGG | CIFARResNet, weights: str) -> list[nn.Module]:
    """The reference and the model: as drawn from seeds 0 and 1, or trained for a moment on noisy patterns."""
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made = build(config, SHAPE, CLASSES)
        if weights != "as drawn":
            train(made, seed)
        found.append(made.eval())
    return found


def train(module: nn.Module, seed: int) -> None:
    """A few steps of gradient descent, whose order is the seed's."""
    patterns = torch.randn(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    descent = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for _ in range(STEPS):
        labels = torch.randint(CLASSES, (BATCH,), generator=generator)
        images = patterns[labels] + 0.5 * torch.randn(BATCH, *SHAPE, generator=generator)
        descent.zero_grad()
        F.cross_entropy(module(images), labels).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        descent.step()


def alternately(works: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """The least seconds of each, one after the other, so that what else the machine does meets all of them."""
    least = dict.fromkeys(works, math.inf)
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def published(layers: list[list[Tensor]], compute_mode: str) -> list[Tensor]:
    """The published loop, and its average."""
    aligned = published_plans(*layers, compute_mode)[2]
    return [(moved + kept) / 2 for moved, kept in zip(aligned, layers[1], strict=True)]


def with_shortcuts(model: nn.Module, reference: nn.Module) -> None:
    """The published layer over a ResNet: a stream has the mean of the plans of the block and of its shortcut."""
    weights = [dict(one.named_parameters()) for one in (model, reference)]

    def plan(name: str, previous: Tensor | None) -> Tensor:
        found: Tensor = published_layer(*(of[name].detach() for of in weights), previous, BY_PRODUCTS)[0]
        return found

    stream = plan("conv1.weight", None)
    for block in dict.fromkeys(name.rsplit(".", 2)[0] for name in weights[0] if name.endswith("conv2.weight")):
        skipped = stream
        if f"{block}.shortcut.0.weight" in weights[0]:
            skipped = plan(f"{block}.shortcut.0.weight", stream)
        stream = (plan(f"{block}.conv2.weight", plan(f"{block}.conv1.weight", stream)) + skipped) / 2
    plan("linear.weight", stream)


def fused(reference: nn.Module, model: nn.Module, task: Task) -> nn.Module:
    """What `fuse` does behind the structure."""
    states = [reference.state_dict(), model.state_dict()]
    moved = plans(task, options_of("ot", {})).carried(states[1])
    return holding(reference, mean_of_states([states[0], moved], [0.5, 0.5]), *states)


def hidden_costs(reference: nn.Module, model: nn.Module, solver: str) -> list[float]:
    """The cost of the plan of each hidden basis, in the order of the graph."""
    images = torch.zeros(2, *SHAPE)
    rows = plans(Task.of(reference, model, images), options_of("ot", {"solver": solver})).rows()
    return [float(row["cost"]) for row in rows]


def largest_difference(costs: list[float], expected: list[float]) -> float:
    """The largest, relative; what is expected of a last layer, which stays as it is here, is left out."""
    return max(abs(mine / theirs - 1) for mine, theirs in zip(costs, expected, strict=False))


def parts(reference: nn.Module, model: nn.Module, images: Tensor) -> str:
    """In words the time of costs, assignments, and transport with the average; the least of all rounds."""
    task = Task.of(reference, model, images)
    config = options_of("ot", {})
    alignment = plans(task, config)
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=True)
    numbers = range(len(weights.bases))

    def costs() -> list[Tensor]:
        given = [weights.products(number, alignment.plans)[0] for number in numbers]
        return [distances(products, config.ground) for products in given if products is not None]

    found = costs()
    works: dict[str, Callable[[], Any]] = {
        "costs": costs,
        "assignments": lambda: [Plan(index=assigned(cost)) for cost in found],
        "transport": lambda: mean_of_states([task.states[1], alignment.carried(task.states[0])], [0.5, 0.5]),
    }
    seconds = alternately(works)
    return ", ".join(f"{name} {1000 * least:.0f} ms" for name, least in seconds.items())


def apart(reference: nn.Module, model: nn.Module, images: Tensor) -> tuple[float, float]:
    """The squared distance of the aligned model to the reference, over that of the model, and after one sweep."""
    task = Task.of(reference, model, images)
    before = squared(task.states[0], task.states[1])
    found = [plans(task, options_of("ot", {"passes": passes})) for passes in (10, 1)]
    after = [squared(each.carried(task.states[0]), task.states[1]) / before for each in found]
    return after[0], after[1]


def squared(first: Any, second: Any) -> float:
    """The squared distance of two states."""
    return sum(float((first[name] - second[name]).square().sum()) for name in first)
