"""All ridges of a stitching grid from shared factorisations, against one fit a cell by other libraries.

    scikit-learn  affine maps between all ordered pairs of 6 models (d = 32), 6 numbers of samples x 8 ridges, and
                  the same of a single pair with d = 32 and with d = 512, which has larger numbers of samples too
    latentis      its least-squares aligner (linear maps) on the same single pairs. It has no λ: it is compared by
                  the time of a map, and at λ = 0 alone as well

Both sides run in this process, one after the other, on the same latents, each with one core, as a worker of a
sweep has, each the best of three (scikit-learn's 1,440 fits are timed once).
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from framework.mappings.ridge import factorise, solve_many

NUM_SAMPLES = (10, 50, 100, 200, 300, 500)
MANY_SAMPLES = (*NUM_SAMPLES, 1000, 2000)
RIDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MODELS, DIM, LARGE_DIM = 6, 32, 512
TARGET, LATENTIS_TARGET = 20.0, 5.0
TOLERANCE = 1e-6
LIMIT = (
    "what limits it: each of the 64 maps has to be written, a product of 2 min(n, d) d² operations (1.1 d³ on "
    "average here), where scikit-learn's fit of a cell takes about 5 d³: with no factorisation it would be 5 times"
)

Array = npt.NDArray[np.float64]
Fits = dict[tuple[int, int, int], tuple[Array, Array]]
Anything = TypeVar("Anything")


def latents(models: int = MODELS, dim: int = DIM, num_samples: int = max(NUM_SAMPLES)) -> list[Array]:
    """Latents (N, D) of each model: one hidden cause seen through another matrix, with noise."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(num_samples, dim))
    return [
        cause @ rng.normal(size=(dim, dim)) + 0.1 * rng.normal(size=cause.shape) + rng.normal(size=dim)
        for _ in range(models)
    ]


def pairs(models: list[Array]) -> list[tuple[int, int]]:
    """All ordered pairs; of two models, one pair."""
    return list(itertools.permutations(range(len(models)), 2)) if len(models) > 2 else [(0, 1)]


def ours(
    models: list[Array],
    counts: tuple[int, ...] = NUM_SAMPLES,
    ridges: tuple[float, ...] = RIDGES,
    centre: bool = True,
) -> Fits:
    """Weights (R, E, D) and biases (R, E) by source, target and number of samples."""
    found: Fits = {}
    for n, i in itertools.product(counts, sorted({i for i, _ in pairs(models)})):
        others = [j for source, j in pairs(models) if source == i]
        fitted = solve_many(factorise(models[i][:n], centre=centre), [models[j][:n] for j in others], ridges)
        found |= {(i, j, n): pair for j, pair in zip(others, fitted, strict=True)}
    return found


def reference(models: list[Array], counts: tuple[int, ...] = NUM_SAMPLES) -> Fits:
    """The same by scikit-learn, one fit a cell."""
    found: Fits = {}
    for (i, j), n in itertools.product(pairs(models), counts):
        fits = [Ridge(alpha=ridge).fit(models[i][:n], models[j][:n]) for ridge in RIDGES]
        found[i, j, n] = np.stack([fit.coef_ for fit in fits]), np.stack([fit.intercept_ for fit in fits])
    return found


def measure() -> list[dict[str, Any]]:
    """A row for each comparison: seconds of each side, their ratio, and the largest difference."""
    with one_core():
        return [
            against_scikit_learn(f"{MODELS} models", latents(), NUM_SAMPLES, repeats=1),
            against_scikit_learn("one pair", latents(2), NUM_SAMPLES, repeats=3),
            against_scikit_learn("one pair", latents(2, LARGE_DIM, max(MANY_SAMPLES)), MANY_SAMPLES, repeats=3),
            against_latentis(latents(2), NUM_SAMPLES),
            against_latentis(latents(2, LARGE_DIM, max(MANY_SAMPLES)), MANY_SAMPLES),
        ]


def against_scikit_learn(
    what: str, models: list[Array], counts: tuple[int, ...], *, repeats: int
) -> dict[str, Any]:
    """All cells of `models`, as affine maps; scikit-learn's side is the best of `repeats`."""
    seconds, fitted = timed(lambda: ours(models, counts), 3)
    reference_s, expected = timed(lambda: reference(models, counts), repeats)
    difference = max(
        float(np.abs(mine - theirs).max())
        for key in expected
        for mine, theirs in zip(fitted[key], expected[key], strict=True)
    )
    ratio, fits = reference_s / seconds, len(expected) * len(RIDGES)
    return {
        "name": f"ridge: {fits:,} affine fits, {what}, {len(counts)} counts, {len(RIDGES)} ridges, "
        f"d = {models[0].shape[1]}",
        "measured": f"{seconds:.3f} s, scikit-learn one fit a cell {reference_s:.2f} s: {ratio:.1f} times "
        f"faster, largest difference {difference:.1e}",
        "target": f"≥ {TARGET:.0f} times, equal to {TOLERANCE:g}",
        "reached": ratio >= TARGET and difference <= TOLERANCE,
        "note": LIMIT if models[0].shape[1] == LARGE_DIM else "",
    }


def against_latentis(models: list[Array], counts: tuple[int, ...]) -> dict[str, Any]:
    """λ = 0 and all ridges by us, λ = 0 by latentis, as linear maps of one pair."""
    row = {
        "name": f"ridge: linear maps, one pair, {len(counts)} counts, d = {models[0].shape[1]}, against latentis",
        "target": f"≥ {LATENTIS_TARGET:.0f} times a map, equal to {TOLERANCE:g} at λ = 0",
    }
    align = latentis_aligner()
    if align is None:
        missing = "latentis is not installed (pip install --no-deps latentis; pip install GitPython)"
        return row | {"measured": f"not measured: {missing}", "reached": False}
    source, target = (torch.from_numpy(model) for model in models)
    align(source[:10], target[:10])
    seconds, fitted = timed(lambda: ours(models, counts, (0.0, *RIDGES), centre=False), 3)
    alone_s, _ = timed(lambda: ours(models, counts, (0.0,), centre=False), 3)
    theirs_s, theirs = timed(lambda: [align(source[:n], target[:n]) for n in counts], 3)
    difference = max(
        float(np.abs(fitted[0, 1, n][0][0].T - weight.numpy()).max())
        for n, weight in zip(counts, theirs, strict=True)
    )
    a_map, their_map = seconds / len(counts) / (1 + len(RIDGES)), theirs_s / len(counts)
    return row | {
        "measured": f"{1000 * a_map:.3f} ms a map, latentis {1000 * their_map:.3f} ms: {their_map / a_map:.1f} "
        f"times faster, largest difference {difference:.1e}",
        "reached": their_map / a_map >= LATENTIS_TARGET and difference <= TOLERANCE,
        "note": f"λ = 0 alone, where no λ shares the work: {1000 * alone_s / len(counts):.3f} ms a map, "
        f"{theirs_s / alone_s:.1f} times faster",
    }


def latentis_aligner() -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None:
    """latentis's least-squares aligner, as a function of source and target (N, D) to the matrix (D, E)."""
    before = dict(os.environ)
    try:
        from latentis.transform.translate.aligner import MatrixAligner
        from latentis.transform.translate.functional import lstsq_align_state
    except ImportError:
        return None
    finally:  # importing it reads a .env file over the environment
        os.environ.clear()
        os.environ.update(before)

    def align(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return MatrixAligner("lstsq", lstsq_align_state).fit(source, target).get_state("matrix")

    return align


def timed(work: Callable[[], Anything], repeats: int) -> tuple[float, Anything]:
    """Seconds of the best of `repeats`, and what the work gives."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


@contextmanager
def one_core() -> Iterator[None]:
    """One thread for numpy's and torch's linear algebra."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
