"""Top eigenvalue and trace of the Hessian, against pyhessian on the same batches.

    MLP 784-400-200-100-10, small VGG-11    as trained for the benchmark of sharpness, ten batches of 64 images
    MLP 784-4-10                            the full Hessian of 3,190 weights tells who is right, on one batch

pyhessian's trace is a mean over random vectors that ends when it moves by less than a thousandth, which it does by
chance while its standard error is still several per cent. Time is compared as both come; the traces are held
against the exact one of the small network, and pyhessian's of the large ones is shown with its standard error. The
line below each says how many vectors it would need for a standard error of 1 %: (error / 1 %)² times as many.
"""

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from framework.metrics.hessian import Hessian
from framework.metrics.perturbation import Batch
from framework.metrics.spaces_config import HessianConfig
from framework.models.config import MLP
from framework.models.mlp_classifier import DenseClassifier
from tests.benchmarks.bench_ridge import one_core
from tests.benchmarks.bench_sharpness import CLASSES, SHAPE, mlp, timed, trained, vgg

TARGET, TOLERANCE = 3.0, 0.01
SEED = 0


def measure() -> list[dict[str, Any]]:
    """A row for each network."""
    with one_core():
        return [
            against_pyhessian("MLP 784-400-200-100-10", mlp),
            against_pyhessian("VGG-11, width 0.125", vgg),
            against_exact(),
        ]


def against_pyhessian(what: str, build: Callable[[], nn.Module], num_batches: int = 10) -> dict[str, Any]:
    """Seconds of both and what they find."""
    model, batches = trained(build)
    batches = batches[:num_batches]
    row = {
        "name": f"hessian: top eigenvalue and trace, {what}, {num_batches} batches of 64",
        "target": f"≥ {TARGET:.0f} times, eigenvalues within {TOLERANCE:.0%}, traces within pyhessian's error",
    }
    theirs = pyhessian_of(model, batches)
    if theirs is None:
        return row | {
            "measured": "not measured: pyhessian is not installed (pip install pyhessian)",
            "reached": False,
        }
    seconds, (top, trace) = timed(lambda: ours(model, batches))
    top_s, their_top = timed(theirs["top"])
    trace_s, rises = timed(theirs["trace"])
    their_trace, error = statistics.fmean(rises), statistics.stdev(rises) / len(rises) ** 0.5
    ratio, apart = (top_s + trace_s) / seconds, abs(their_top - top) / top
    needed = (error / (TOLERANCE * their_trace)) ** 2
    return row | {
        "measured": f"{seconds:.2f} s, pyhessian {top_s + trace_s:.2f} s: {ratio:.1f} times faster, eigenvalues "
        f"{top:.2f} and {their_top:.2f}, {100 * apart:.2f} % apart",
        "reached": ratio >= TARGET and apart <= TOLERANCE and abs(their_trace - trace) <= 4 * error,
        "note": f"trace {trace:.2f}; pyhessian's {their_trace:.2f} ± {error:.2f} (standard error) from "
        f"{len(rises)} vectors: to 1 % it would take {needed:.0f} times as many, and "
        f"{(top_s + needed * trace_s) / seconds:.0f} times our time",
    }


def against_exact() -> dict[str, Any]:
    """A network small enough for its whole Hessian."""

    def build() -> nn.Module:
        return DenseClassifier(MLP(hidden=(4,), bias=True), SHAPE, CLASSES)

    model, batches = trained(build)
    batches = batches[:1]
    full = whole(model, batches[0])
    expected = float(torch.linalg.eigvalsh(full)[-1]), float(full.trace())
    top_off, trace_off = (abs(a / b - 1) for a, b in zip(ours(model, batches), expected, strict=True))
    theirs = pyhessian_of(model, batches)
    note = "pyhessian is not installed"
    if theirs is not None:
        rises = theirs["trace"]()
        found = theirs["top"](), statistics.fmean(rises)
        offs = [abs(a / b - 1) for a, b in zip(found, expected, strict=True)]
        note = f"pyhessian is off by {offs[0]:.2%} and {offs[1]:.2%}, from {len(rises)} vectors"
    return {
        "name": f"hessian: top eigenvalue and trace, MLP 784-4-10, all {len(full):,} eigenvalues known",
        "measured": f"off by {top_off:.4%} and {trace_off:.4%}",
        "target": f"within {TOLERANCE:.0%}",
        "reached": max(top_off, trace_off) <= TOLERANCE,
        "note": note,
    }


def ours(model: nn.Module, batches: list[Batch]) -> tuple[float, float]:
    """Top eigenvalue and trace, with the default tolerances."""
    with Hessian(model, batches, HessianConfig(), seed=SEED) as hessian:
        return hessian.top_eigenvalue().value, hessian.trace().value


def pyhessian_of(model: nn.Module, batches: list[Batch]) -> dict[str, Callable[[], Any]] | None:
    """The same by pyhessian, with its defaults: up to 100 steps or vectors, until what is found moves by 1e-3."""
    try:
        from pyhessian import hessian
    except ImportError:
        return None
    warnings.filterwarnings("ignore", message="Using backward\\(\\) with create_graph=True")
    torch.manual_seed(SEED)
    criterion = nn.CrossEntropyLoss()
    one = {"data": batches[0]} if len(batches) == 1 else {"dataloader": batches}
    computer = hessian(model, criterion, **one, cuda=False)
    return {"top": lambda: computer.eigenvalues()[0][0], "trace": computer.trace}


def whole(model: nn.Module, batch: Batch) -> Tensor:
    """The Hessian, a row for each weight, by differentiating the gradient."""
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    images, labels = batch

    def loss(weights: Tensor) -> Tensor:
        parts = weights.split([shape.numel() for shape in shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return F.cross_entropy(functional_call(model, named, (images,)), labels)

    flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return torch.func.hessian(loss)(flat)
