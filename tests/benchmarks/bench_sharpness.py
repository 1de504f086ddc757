"""The twelve sharpness and PAC-Bayes measures of a trained network, against the search as it is written down.

    MLP 784-400-200-100-10    on MNIST, or on images like it where it is not there, with the budget of the defaults
    small VGG-11              width 0.125, no biases, no batch normalisation, with half of the restarts, ascent
                              steps and draws: the search as it is written down would take minutes more

Both sides find the four sigmas that the measures are made of, on the same batches, from the same random numbers,
with the same ranges and tolerances, each with one core, one after the other; each is timed once.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from framework.metrics.pac_bayes_search import pac_bayes_sigmas
from framework.metrics.perturbation import Batch
from framework.metrics.sharpness_search import sharpness_sigmas
from framework.metrics.spaces_config import PacBayesConfig, SharpnessConfig
from framework.models.config import MLP, VGG
from framework.models.mlp_classifier import DenseClassifier
from framework.models.vgg import VGGClassifier
from tests.benchmarks import naive_sharpness as naive
from tests.benchmarks.bench_ridge import one_core

TARGET = 4.0
DEVIATION, EPS, SEED = 0.1, 1e-3, 0
SHAPE, CLASSES, IMAGES = (1, 28, 28), 10, 6000
Anything = TypeVar("Anything")


def mlp() -> nn.Module:
    """784-400-200-100-10 without biases."""
    return DenseClassifier(MLP(hidden=(400, 200, 100), bias=False), SHAPE, CLASSES)


def vgg() -> nn.Module:
    """VGG-11 with 8 to 64 channels."""
    return VGGClassifier(VGG(width=0.125, bias=False, batch_norm=False), SHAPE, CLASSES)


def images() -> tuple[Tensor, Tensor]:
    """MNIST's first train images, or classes that are told by a pattern each, with noise."""
    from framework.data.config import DataConfig
    from framework.data.vision import load_splits
    from framework.errors import DataUnavailable

    try:
        train = load_splits(DataConfig(name="mnist")).train
    except DataUnavailable:
        numbers = torch.Generator().manual_seed(SEED)
        patterns = torch.rand(CLASSES, *SHAPE, generator=numbers)
        labels = torch.randint(0, CLASSES, (IMAGES,), generator=numbers)
        return 0.3 * patterns[labels] + 0.7 * torch.rand(IMAGES, *SHAPE, generator=numbers), labels
    return train.images[:IMAGES], train.labels[:IMAGES]


def trained(build: Callable[[], nn.Module], epochs: int = 3) -> tuple[nn.Module, list[Batch]]:
    """The network after some epochs, and twenty batches of what it was trained on."""
    torch.manual_seed(SEED)
    model, (pixels, labels) = build(), images()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(IMAGES).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(pixels[chosen]), labels[chosen]).backward()
            optimiser.step()
    optimiser.zero_grad()
    chosen = torch.randperm(IMAGES)[: 20 * 64].split(64)
    return model.eval(), [(pixels[rows], labels[rows]) for rows in chosen]


def measure() -> list[dict[str, Any]]:
    """A row for each network: seconds of both sides, their ratio, and the sigmas of both."""
    half = {"restarts": 7, "ascent_steps": 10}
    with one_core():
        return [
            against_naive("MLP 784-400-200-100-10", mlp, SharpnessConfig(), PacBayesConfig()),
            against_naive("VGG-11, width 0.125", vgg, SharpnessConfig(**half), PacBayesConfig(draws=10)),
        ]


def against_naive(
    what: str, build: Callable[[], nn.Module], sharpness: SharpnessConfig, pac_bayes: PacBayesConfig
) -> dict[str, Any]:
    """The four sigmas by both sides."""
    model, batches = trained(build)
    few = batches[: sharpness.batches]
    given = {"seed": SEED, "target": DEVIATION, "eps": EPS}
    sharp_s, sharp = timed(lambda: sharpness_sigmas(model, few, sharpness, **given))
    pac_s, pac = timed(lambda: pac_bayes_sigmas(model, batches, pac_bayes, **given))
    naive_sharp_s, naive_sharp = timed(lambda: naive.sharpness_sigmas(model, few, sharpness, **given))
    naive_pac_s, naive_pac = timed(lambda: naive.pac_bayes_sigmas(model, batches, pac_bayes, **given))
    pairs = list(zip([*sharp, *pac], [*naive_sharp, *naive_pac], strict=True))
    apart = max(abs(sigma.value - known) / known for sigma, known in pairs)
    # Both may end wherever the deviation is within the tolerance around its target; sigma moves by less than that.
    tolerance = max(config.deviation_tolerance for config in (sharpness, pac_bayes)) / DEVIATION
    ratio = (naive_sharp_s + naive_pac_s) / (sharp_s + pac_s)
    values = ", ".join(f"{sigma.value:.4g} ({known:.4g})" for sigma, known in pairs)
    return {
        "name": f"sharpness: twelve measures, {what}, {sharpness.restarts} restarts of "
        f"{sharpness.ascent_steps} steps, {pac_bayes.draws} draws",
        "measured": f"{sharp_s + pac_s:.1f} s, as written down {naive_sharp_s + naive_pac_s:.1f} s: {ratio:.1f} "
        f"times faster (sharpness {naive_sharp_s / sharp_s:.1f}, PAC-Bayes {naive_pac_s / pac_s:.1f}), sigmas "
        f"differ by {100 * apart:.2g} % at most",
        "target": f"≥ {TARGET:.0f} times, sigmas within the tolerance of the search ({100 * tolerance:.0f} %)",
        "reached": ratio >= TARGET and apart <= tolerance,
        "note": f"sigmas (as written down): {values}",
    }


def timed(work: Callable[[], Anything]) -> tuple[float, Anything]:
    """Seconds, and what the work gives."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
