"""One linear fit, 100 samples of 10 dimensions, against cvxpy: the objective as written, and as it was meant.

latent-communication (TUM, 2024) states Σ ||A z - y||² + λ ||A||_F² and hands cvxpy the *spectral* norm of the
residuals instead: a semidefinite program, with another solution. cvxpy solves the stated (Frobenius) objective as
well. Both problems are built as it builds them, with an expression a sample, and building is part of a fit. All
sides run in this process, one after the other, each with one core; ours is the best of three, by the method
itself, checks of the latents included.
"""

import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.mappings.methods import METHODS
from tests.benchmarks.bench_ridge import one_core

NUM_SAMPLES, DIM, RIDGE = 100, 10, 0.1
TARGET = 1000.0

Array = npt.NDArray[np.float64]


def latents() -> tuple[Array, Array]:
    """Source and target (N, D): a linear map with noise, of which a good part remains."""
    rng = np.random.default_rng(0)
    z_ND = rng.normal(size=(NUM_SAMPLES, DIM))
    return z_ND, z_ND @ rng.normal(size=(DIM, DIM)) + 0.7 * rng.normal(size=(NUM_SAMPLES, DIM))


def squared_error(weight_DD: Array, z_ND: Array, y_ND: Array) -> float:
    """The sum of squared errors on the samples."""
    return float(((z_ND @ weight_DD.T - y_ND) ** 2).sum())


def ours(z_ND: Array, y_ND: Array) -> tuple[float, Array]:
    """Seconds of the best of three, and the weight (D, D)."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        mapping = METHODS["linear"](ridge=RIDGE).fit(z_ND, y_ND)
        seconds.append(time.perf_counter() - start)
    return min(seconds), np.asarray(mapping.matrix, dtype=np.float64)


def by_cvxpy(z_ND: Array, y_ND: Array, *, spectral: bool) -> tuple[float, Array, str]:
    """Seconds, the weight (D, D), and the solver that cvxpy chose."""
    import cvxpy as cp

    start = time.perf_counter()
    weight_DD = cp.Variable((DIM, DIM))
    residuals_ND = cp.vstack([weight_DD @ z_D - y_D for z_D, y_D in zip(z_ND, y_ND, strict=True)])
    error = cp.norm2(residuals_ND) ** 2 if spectral else cp.sum_squares(residuals_ND)
    problem = cp.Problem(cp.Minimize(error + RIDGE * cp.norm(weight_DD, "fro") ** 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a solution may be inaccurate: the squared error tells
        problem.solve()
    return time.perf_counter() - start, weight_DD.value, problem.solver_stats.solver_name


def measure() -> list[dict[str, Any]]:
    """A row for each of cvxpy's objectives."""
    name = f"linear: one fit, n = {NUM_SAMPLES}, d = {DIM}, λ = {RIDGE:g}, against cvxpy, "
    try:
        import cvxpy
    except ImportError:
        missing = {"measured": "not measured: cvxpy is not installed (pip install cvxpy)", "reached": False}
        return [{"name": name + "spectral objective", "target": f"≥ {TARGET:,.0f} times", **missing}]
    z_ND, y_ND = latents()
    with one_core():
        seconds, weight_DD = ours(z_ND, y_ND)
        cvxpys = [by_cvxpy(z_ND, y_ND, spectral=spectral) for spectral in (True, False)]
    error = squared_error(weight_DD, z_ND, y_ND)
    rows = []
    for spectral, (theirs, their_DD, solver) in zip((True, False), cvxpys, strict=True):
        difference = float(np.abs(their_DD - weight_DD).max())
        rows.append(
            {
                "name": name
                + ("as latent-communication writes it (spectral norm)" if spectral else "as stated (Frobenius)"),
                "measured": f"{1000 * seconds:.2f} ms, cvxpy {theirs:.3f} s: {theirs / seconds:,.0f} times faster",
                "target": f"≥ {TARGET:,.0f} times" if spectral else "equal to 1e-3",
                "reached": theirs / seconds >= TARGET if spectral else difference <= 1e-3,
                "note": f"cvxpy {cvxpy.__version__} by {solver}; sum of squared errors: ours {error:.1f}, "
                f"cvxpy's {squared_error(their_DD, z_ND, y_ND):.1f}; a weight differs by up to {difference:.1e}",
            }
        )
    return rows
