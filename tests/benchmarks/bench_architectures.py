"""Architectures of torchvision, each aligned with itself in another order, in three precisions.

Weights are as they are drawn (nothing is downloaded); gains and biases that are all one number get others, so that
each says something. The permutation is drawn over the bases that the graph gives. What counts is `align` as a
whole (trace, derivation, its test, and the matching), in seconds of one core, which other work on the machine does
not lengthen as it does the clock's; recovered means every number, bit for bit.
"""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from framework.fusion import align
from framework.fusion.structure import structure_of
from framework.fusion.symmetry import permuted, random_plans
from tests.benchmarks.bench_ridge import one_core

ARCHITECTURES = (
    *("alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "densenet121", "regnet_y_400mf"),
    *("mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "swin_t", "vit_b_16"),
)
PRECISIONS = (torch.float32, torch.float64, torch.bfloat16)
SECONDS = 5.0


def measure() -> Iterator[dict[str, Any]]:
    """A row for each architecture."""
    for name in ARCHITECTURES:
        yield row(name)


def row(name: str) -> dict[str, Any]:
    """How long `align` takes for a permuted copy, and whether it is found."""
    from torchvision import models

    torch.manual_seed(0)
    module = told(models.get_model(name, weights=None).eval())
    bases = structure_of(module).bases
    other = permuted(module, bases, random_plans(bases, 1))
    seconds, found = {}, {}
    with one_core():
        for dtype in PRECISIONS:
            mine, theirs = module.to(dtype), other.to(dtype)
            start = time.process_time()
            aligned = align(mine, theirs)
            seconds[dtype] = time.process_time() - start
            state = aligned.state_dict()
            found[dtype] = all(torch.equal(tensor, state[key]) for key, tensor in mine.state_dict().items())
    return {
        "name": f"permuted self: {name}, {sum(p.numel() for p in module.parameters()):,} parameters, one core",
        "measured": ", ".join(
            f"{str(dtype).removeprefix('torch.')} {seconds[dtype]:.1f} s"
            + ("" if found[dtype] else " NOT recovered")
            for dtype in PRECISIONS
        ),
        "target": f"recovered bit for bit, ≤ {SECONDS:.0f} s of one core each",
        "reached": all(found.values()) and max(seconds.values()) <= SECONDS,
    }


def told(module: nn.Module) -> nn.Module:
    """`module` with other numbers where all of a parameter's are one: as new gains and biases are. Half precision
    keeps them, so that all three precisions hold the same numbers.
    """
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() > 1 and bool(parameter.min() == parameter.max()):
                parameter.add_(0.5 * torch.rand(parameter.shape, generator=generator))
    return module.bfloat16().float()
