"""All ridges of a stitching grid from shared factorisations, against scikit-learn's Ridge, one fit a cell.

    python -m tests.benchmarks.bench_ridge

Affine maps between all ordered pairs of 6 models (latent size 32), 6 numbers of samples x 8 ridges: 1,440 fits.
Both sides run in this process, one after the other, on the same latents.
"""

import itertools
import time

import numpy as np
from sklearn.linear_model import Ridge

from framework.mappings.ridge import factorise, solve_many

NUM_SAMPLES = (10, 50, 100, 200, 300, 500)
RIDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MODELS, DIM = 6, 32
TARGET = 20.0


def latents():
    """Latents (N, D) of each model: one hidden cause seen through another matrix, with noise."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(max(NUM_SAMPLES), DIM))
    return [
        cause @ rng.normal(size=(DIM, DIM)) + 0.1 * rng.normal(size=cause.shape) + rng.normal(size=DIM)
        for _ in range(MODELS)
    ]


def ours(models):
    """Weights (R, E, D) and biases (R, E) by source, target and number of samples."""
    found = {}
    for n, i in itertools.product(NUM_SAMPLES, range(MODELS)):
        others = [j for j in range(MODELS) if j != i]
        fitted = solve_many(factorise(models[i][:n], centre=True), [models[j][:n] for j in others], RIDGES)
        found |= {(i, j, n): pair for j, pair in zip(others, fitted, strict=True)}
    return found


def reference(models):
    """The same by scikit-learn, one fit a cell."""
    found = {}
    for (i, j), n in itertools.product(itertools.permutations(range(MODELS), 2), NUM_SAMPLES):
        fits = [Ridge(alpha=ridge).fit(models[i][:n], models[j][:n]) for ridge in RIDGES]
        found[i, j, n] = np.stack([fit.coef_ for fit in fits]), np.stack([fit.intercept_ for fit in fits])
    return found


def measure():
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
    fits = len(expected) * len(RIDGES)
    return [
        {
            "name": "ridge path",
            "ours_s": min(times),
            "reference_s": reference_s,
            "ratio": reference_s / min(times),
            "target": TARGET,
            "note": f"{fits} affine fits, d = {DIM}; max |difference| {difference:.1e}",
            "max_abs_difference": difference,
        }
    ]


def main():
    for row in measure():
        print(
            f"{row['name']}: {row['ours_s']:.3f} s against {row['reference_s']:.3f} s, "
            f"{row['ratio']:.0f} times faster (target {row['target']:.0f}); {row['note']}"
        )


if __name__ == "__main__":
    main()
