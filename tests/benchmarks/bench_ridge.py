"""All ridges of a stitching grid from shared factorisations, against scikit-learn's Ridge, one fit a cell.

Affine maps between all ordered pairs of 6 models (latent size 32), 6 numbers of samples x 8 ridges: 1,440 fits.
Both sides run in this process, one after the other, on the same latents; ours is the best of three.
"""

import itertools
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge

from framework.mappings.ridge import factorise, solve_many

NUM_SAMPLES = (10, 50, 100, 200, 300, 500)
RIDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MODELS, DIM = 6, 32
TARGET = 20.0
TOLERANCE = 1e-6

Array = npt.NDArray[np.float64]
Fits = dict[tuple[int, int, int], tuple[Array, Array]]


def latents() -> list[Array]:
    """Latents (N, D) of each model: one hidden cause seen through another matrix, with noise."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(max(NUM_SAMPLES), DIM))
    return [
        cause @ rng.normal(size=(DIM, DIM)) + 0.1 * rng.normal(size=cause.shape) + rng.normal(size=DIM)
        for _ in range(MODELS)
    ]


def ours(models: list[Array]) -> Fits:
    """Weights (R, E, D) and biases (R, E) by source, target and number of samples."""
    found: Fits = {}
    for n, i in itertools.product(NUM_SAMPLES, range(MODELS)):
        others = [j for j in range(MODELS) if j != i]
        fitted = solve_many(factorise(models[i][:n], centre=True), [models[j][:n] for j in others], RIDGES)
        found |= {(i, j, n): pair for j, pair in zip(others, fitted, strict=True)}
    return found


def reference(models: list[Array]) -> Fits:
    """The same by scikit-learn, one fit a cell."""
    found: Fits = {}
    for (i, j), n in itertools.product(itertools.permutations(range(MODELS), 2), NUM_SAMPLES):
        fits = [Ridge(alpha=ridge).fit(models[i][:n], models[j][:n]) for ridge in RIDGES]
        found[i, j, n] = np.stack([fit.coef_ for fit in fits]), np.stack([fit.intercept_ for fit in fits])
    return found


def measure() -> list[dict[str, Any]]:
    """One row: seconds of each side (ours the best of three), their ratio, and the largest difference."""
    models = latents()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        fitted = ours(models)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    expected = reference(models)
    reference_s = time.perf_counter() - start
    difference = max(
        float(np.abs(mine - theirs).max())
        for key in expected
        for mine, theirs in zip(fitted[key], expected[key], strict=True)
    )
    ratio = reference_s / min(times)
    return [
        {
            "name": f"ridge: {len(expected) * len(RIDGES):,} affine fits, 6 models, 6 counts, 8 ridges, d = {DIM}",
            "measured": f"{min(times):.3f} s, scikit-learn one fit a cell {reference_s:.2f} s: {ratio:.0f} times "
            f"faster, largest difference {difference:.1e}",
            "target": f"≥ {TARGET:.0f} times, equal to {TOLERANCE:g}",
            "reached": ratio >= TARGET and difference <= TOLERANCE,
        }
    ]
