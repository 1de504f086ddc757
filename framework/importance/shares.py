"""Variance shares: what each factor of a grid, and each pair, explains of a metric; exact, in closed form.

On a grid every combination of levels (a cell) has runs, replicates of it but for their seeds. With `V(S)` the
variance, over cells, of the mean of a metric given the levels of the factors `S`, the parts of its variance are

    V_f  = V({f})                                the main effect of f
    V_fg = V({f, g}) - V({f}) - V({g})           what f and g do together, and neither does alone

(Sobol' 1993, eq. 7; the ANOVA of Fisher 1925 on cell means). A factor that exists only at some levels of another
one (its parent), or that is finer than another, is nested in it, and explains what its parent does not:
`V({p, f}) - V({p})`. Factors that say the same are one. What is left are effects of three factors and more; the
variance within cells is that of the seeds.

With noise of variance s² within cells and n replicates in each of N cells, an effect of d degrees of freedom that
is none has the share d s² / (n N) of the total in expectation: its noise floor.
"""

from collections.abc import Sequence

import numpy as np

from framework.importance import Effect, Importance, Levels, Method
from framework.importance.design import Design, apart, cells_of, codes_of

METHOD: Method = "variance shares"
NOISE = 1e-13
"""The share of a metric's square below which its variance is that of rounding."""


def variance_shares(factors: Levels, values: Sequence[float]) -> Importance:
    """The variance shares of the factors of a grid, and of their pairs.

    `values` (runs): the metric; runs whose value is not finite are left out, and it is said.
    """
    metric = np.asarray(values, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(metric))
    lost = metric.size - known.size
    notes = [f"{lost:,} of {metric.size:,} runs have no finite value and are left out"] if lost else []
    design, within, spare = cells_of(
        *apart({name: codes_of(given, known) for name, given in factors.items()}), metric[known]
    )
    count = int(known.size)
    if count == 0 or not design.names:
        return Importance(METHOD, runs=count, notes=(*notes, "no factor varies"))
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are no squares
        between = float(((design.means - design.means.mean()) ** 2).mean())
        total = between + within
    if total <= NOISE * float((metric[known] ** 2).mean()):
        return Importance(
            METHOD, runs=count, cells=design.means.size, notes=(*notes, "it is the same in all runs")
        )
    effects = [
        _effect([design.names[index] for index in chosen], part, total, spare, design.means.size, count)
        for chosen, part in _parts(design).items()
    ]
    left = between / total - sum(effect.share for effect in effects)
    whole = design.is_whole()
    if not whole:
        notes.append("combinations of levels have no run: effects overlap, and their shares are near, not exact")
    if spare is None:
        notes.append("no point has two runs: how much of this is due to seeds is not known")
    effects.sort(key=lambda effect: -effect.share)
    return Importance(METHOD, effects, within / total, left, count, design.means.size, whole, tuple(notes))


def _parts(design: Design) -> dict[tuple[int, ...], tuple[float, int]]:
    """The variance and the degrees of freedom of each effect that can be told apart, by its factors."""
    found: dict[tuple[int, ...], tuple[float, int]] = {}
    for f, above in enumerate(design.above):
        found[f,] = _less(design.explained([*above, f]), design.explained(above))
    for f, g, above in design.pairs():
        alone = _less(design.explained([*above, g]), design.explained(above))
        part = _less(_less(design.explained([*above, f, g]), design.explained([*above, f])), alone)
        if part[1] > 0:
            found[f, g] = part
    return found


def _effect(
    names: Sequence[str], part: tuple[float, int], total: float, noise: float | None, cells: int, runs: int
) -> Effect:
    """An effect with its noise floor, and the p of Fisher's F (exact with as many runs in each cell)."""
    variance, degrees = part
    share = variance / total
    if noise is None:
        return Effect(tuple(names), share)
    from scipy.stats import f as fisher  # type: ignore[import-untyped]

    floor = degrees * noise / runs / total
    ratio = variance * runs / (degrees * noise) if noise > 0 else np.inf
    return Effect(tuple(names), share, floor, float(fisher.sf(ratio, degrees, runs - cells)))


def _less(one: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
    return one[0] - other[0], one[1] - other[1]
