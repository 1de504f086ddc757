"""Whether two numbers go together over pairs of models: rank correlation with a p-value over models, not pairs.

M models give M (M - 1) / 2 pairs, and each model is part of M - 1 of them: one poor model makes that many pairs
poor. p-values that take pairs for independent are too small. Mantel's test [1] gives the models of y other labels,
π, and leaves x as it is:

    r(π) = Σ_g Σ_{i<j in g} x_ij y_π(i)π(j) / √(Σ x_ij² Σ y_ij²)                                                (1)
    p = share of all π with |r(π) - r̄| ≥ |r(1) - r̄|,   r̄ = mean of r(π) over all π                             (2)

with x and y as ranks about their mean (Spearman's ρ). Models take the labels of models of their own group g, a
setting in which they are exchangeable: widths or lengths of training are chosen, not drawn. So there are Π_g M_g!
labellings. All are looked at where there are at most so many as are asked for; else so many are drawn, and
p = (1 + #) / (1 + B) [2]. Labels of whole groups stay, so that r̄ is what the groups alone give:

    r̄ = Σ_g N_g x̄_g ȳ_g / √(Σ x_ij² Σ y_ij²),   N_g pairs with the means x̄_g and ȳ_g                            (3)

    within   ranks among the pairs of each group, about the mean of each: r̄ = 0. Of groups of one size, and
             without ties, it is the mean of their ρ.
    pooled   ranks among all pairs, about the mean of all. It may be large because of what was chosen, and p tells
             whether it is more, or less, than that.

(2) is exact where labels mean nothing: below a level with at most that probability.

[1] Mantel, "The detection of disease clustering and a generalized regression approach", Cancer Research 27, 1967.
[2] Phipson and Smyth, "Permutation p-values should never be zero", 2010, equation (2).

Shapes: N pairs, M models of a group, B labellings.
"""

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]

from framework.errors import InvalidInput, Problem
from framework.seeds import numpy_numbers
from framework.values import is_number

Array = npt.NDArray[np.float64]
Order = npt.NDArray[np.intp]
Scope = Literal["within", "pooled"]

FEWEST = 3  # models: two have one pair
LABELLINGS = 10_000
PIECE = 1000  # labellings at a time
ROUNDING = 1e-12
LEVEL = 0.05


@dataclass(frozen=True)
class Mantel:
    """Equations (1) to (3).

    Attributes:
        rho: r of the labels as they are, in [-1, 1]; NaN where x or y does not vary.
        p: Equation (2), two-sided; NaN with `rho`.
        by_groups: r̄, what the groups alone give; 0 within groups.
        critical: How far from r̄ the furthest twentieth of the labellings lie: a weaker relation would pass unseen.
        pairs, models, groups: What it rests on.
        labellings: How many were looked at, the one as it is among them.
        exact: Whether these are all.
    """

    rho: float
    p: float
    by_groups: float
    critical: float
    pairs: int
    models: int
    groups: int
    labellings: int
    exact: bool


def mantel(
    x: Sequence[float] | Array,
    y: Sequence[float] | Array,
    pairs: Sequence[tuple[Hashable, Hashable]],
    groups: Sequence[Hashable] | None = None,
    *,
    scope: Scope = "within",
    labellings: int = LABELLINGS,
    seed: int = 0,
) -> Mantel:
    """How x and y (N,) of the same pairs go together.

    Args:
        x: A finite number for each pair.
        y: Another one.
        pairs: The two models of each pair, in either order; of each group every pair of its models.
        groups: The setting of each pair; None takes all for one.
        scope: Whether ranks are taken within groups, or over all pairs.
        labellings: So many at most.
        seed: Of their draw.

    Raises:
        InvalidInput: columns of different lengths, numbers that are not finite, a pair that is missing, there
            twice, of a model with itself or of two groups, or fewer than three models in a group.
    """
    x_N, y_N = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    of_group = [None] * len(pairs) if groups is None else list(groups)
    _refuse(x_N, y_N, pairs, of_group, scope, labellings)
    places = [
        np.array([place for place, group in enumerate(of_group) if group == one])
        for one in dict.fromkeys(of_group)
    ]
    x_N, y_N = (_ranked(values, places, scope) for values in (x_N, y_N))
    ends = [_ends([pairs[place] for place in of]) for of in places]
    about = (len(pairs), sum(int(e.max()) + 1 for e in ends), len(places))
    size = math.sqrt(float(x_N @ x_N) * float(y_N @ y_N))
    if size <= ROUNDING:
        return Mantel(math.nan, math.nan, math.nan, math.nan, *about, 0, True)
    squares = [(_square(x_N[of], e), _square(y_N[of], e)) for of, e in zip(places, ends, strict=True)]
    mean = sum(float(len(of) * x_N[of].mean() * y_N[of].mean()) for of in places) / size
    rho = float(x_N @ y_N) / size
    sizes = [len(square) for square, _ in squares]
    total = math.prod(map(math.factorial, sizes))
    exact = total <= labellings
    orders = _all_orders(sizes) if exact else _drawn_orders(sizes, labellings - 1, seed)
    pieces = [
        sum((_sums(*square, order) for square, order in zip(squares, piece, strict=True)), start=np.zeros(1))
        for piece in orders
    ]
    away = abs(rho - mean)
    far_B = np.abs(np.concatenate(pieces) / size - mean)
    if not exact:  # of drawn labellings the one as it is counts as one
        far_B = np.append(far_B, away)
    p = float(np.mean(far_B >= away - ROUNDING))
    critical = float(np.quantile(far_B, 1 - LEVEL, method="higher"))
    return Mantel(rho, p, mean, critical, *about, len(far_B), exact)


def complete(pairs: Sequence[tuple[Hashable, Hashable]]) -> set[Hashable]:
    """Models of which all pairs are there: those that are left when the one that lacks most goes, again and again.

    For a sweep that is not finished.
    """
    there = {frozenset(pair) for pair in pairs if pair[0] != pair[1]}
    kept = list(dict.fromkeys(model for pair in pairs for model in pair))
    while kept:
        lacking = {
            one: sum(frozenset((one, other)) not in there for other in kept if other != one) for one in kept
        }
        worst = max(reversed(kept), key=lacking.__getitem__)
        if not lacking[worst]:
            break
        kept.remove(worst)
    return set(kept)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that hold for all of them together (Holm, 1979): sorted, p_(k) of m becomes
    max over j ≤ k of min(1, (m - j + 1) p_(j)). NaN is no test, and stays.
    """
    given = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(given), np.nan)
    order = [int(place) for place in np.argsort(given, kind="stable") if np.isfinite(given[place])]
    least = 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * float(given[place])))
        adjusted[place] = least
    return [float(p) for p in adjusted]


def _ranked(values_N: Array, places: Sequence[Order], scope: Scope) -> Array:
    """Ranks about their mean, of each group or of all."""
    found_N = np.empty(len(values_N))
    for of in places if scope == "within" else [np.arange(len(values_N))]:
        ranks = stats.rankdata(values_N[of])
        found_N[of] = ranks - ranks.mean()
    return found_N


def _ends(pairs: Sequence[tuple[Hashable, Hashable]]) -> Order:
    """The numbers of both models of each pair, (N, 2)."""
    numbers = {model: number for number, model in enumerate(dict.fromkeys(m for pair in pairs for m in pair))}
    return np.array([[numbers[first], numbers[second]] for first, second in pairs], dtype=np.intp)


def _square(values_N: Array, ends_N2: Order) -> Array:
    """The numbers of the pairs as a symmetric matrix (M, M), 0 on its diagonal."""
    count = int(ends_N2.max()) + 1
    square_MM = np.zeros((count, count))
    square_MM[ends_N2[:, 0], ends_N2[:, 1]] = square_MM[ends_N2[:, 1], ends_N2[:, 0]] = values_N
    return square_MM


def _sums(x_MM: Array, y_MM: Array, orders_BM: Order) -> Array:
    """The numerator of (1) for each labelling, (B,)."""
    moved_BMM = y_MM[orders_BM[:, :, None], orders_BM[:, None, :]]
    sums_B: Array = np.einsum("ij,bij->b", x_MM, moved_BMM) / 2
    return sums_B


def _all_orders(sizes: Sequence[int]) -> Iterator[list[Order]]:
    """Every labelling: of each group orders (B, M), piece by piece."""
    every = itertools.product(*(itertools.permutations(range(size)) for size in sizes))
    while piece := list(itertools.islice(every, PIECE)):
        yield [np.array(orders, dtype=np.intp) for orders in zip(*piece, strict=True)]


def _drawn_orders(sizes: Sequence[int], count: int, seed: int) -> Iterator[list[Order]]:
    numbers = numpy_numbers(seed)
    for start in range(0, count, PIECE):
        many = min(PIECE, count - start)
        yield [numbers.permuted(np.tile(np.arange(size), (many, 1)), axis=1) for size in sizes]


def _refuse(
    x_N: Array,
    y_N: Array,
    pairs: Sequence[tuple[Hashable, Hashable]],
    groups: Sequence[Hashable],
    scope: str,
    labellings: object,
) -> None:
    problems = []
    for name, values in (("x", x_N), ("y", y_N)):
        if values.shape != (len(pairs),):
            problems.append(
                Problem(name, f"has the shape {values.shape} for {len(pairs)} pairs; allowed: one number each")
            )
        elif not np.isfinite(values).all():
            problems.append(Problem(name, "holds NaN or infinite numbers; leave out their models"))
    if len(groups) != len(pairs):
        problems.append(Problem("groups", f"has {len(groups)} for {len(pairs)} pairs; allowed: one for each"))
    if scope not in ("within", "pooled"):
        problems.append(Problem("scope", f"is {scope!r}; allowed: within, pooled"))
    if not (is_number(labellings, whole=True) and labellings >= 2):  # type: ignore[operator]
        problems.append(Problem("labellings", f"is {labellings!r}; allowed: a whole number, 2 or more"))
    if not problems:
        problems += _pair_problems(pairs, groups)
    if problems:
        raise InvalidInput(problems, "mantel")


def _pair_problems(pairs: Sequence[tuple[Hashable, Hashable]], groups: Sequence[Hashable]) -> Iterator[Problem]:
    if not pairs:
        yield Problem("pairs", "is empty; allowed: every pair of three models or more")
    home: dict[Hashable, Hashable] = {}
    for pair, group in zip(pairs, groups, strict=True):
        if pair[0] == pair[1]:
            yield Problem("pairs", f"holds {pair[0]} with itself; allowed: two models")
        for model in pair:
            if home.setdefault(model, group) != group:
                yield Problem("pairs", f"has {model} in the groups {home[model]} and {group}; allowed: one")
    for group in dict.fromkeys(groups):
        of = [frozenset(pair) for pair, own in zip(pairs, groups, strict=True) if own == group]
        models = list(dict.fromkeys(model for model, own in home.items() if own == group))
        where = "" if group is None else f" of the group {group}"
        twice = [pair for pair, count in Counter(of).items() if count > 1]
        missing = [pair for pair in itertools.combinations(models, 2) if frozenset(pair) not in of]
        if len(models) < FEWEST:
            yield Problem("pairs", f"has {len(models)} models{where}; allowed: {FEWEST} or more")
        for told, found in (("there twice", [tuple(pair) for pair in twice]), ("missing", missing)):
            if found:
                message = f"{len(found)}{where} {told}, such as {found[0]}; allowed: every pair of models once"
                yield Problem("pairs", message)
