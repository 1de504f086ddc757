"""The straight line between two models, and the barrier on it.

    W(t) = (1 - t) W_1 + t W_2                                                                                  (1)
    barrier = max over t of   L(W(t)) - [(1 - t) L(W_1) + t L(W_2)]                                             (2)

(Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis", 2020; the barrier as in Entezari et
al., "The role of permutation invariance in linear mode connectivity of neural networks", 2022, equation 1.)
"""

from collections.abc import Iterator, Sequence

from torch import nn

from framework.fusion.fusing import mean_of


def between(first: nn.Module, second: nn.Module, places: Sequence[float]) -> Iterator[tuple[float, nn.Module]]:
    """Each place t in [0, 1] with the model W(t) of equation (1); 0 and 1 give the ends bit for bit."""
    for place in places:
        yield place, mean_of([first, second], [1 - place, place])


def barrier(places: Sequence[float], values: Sequence[float]) -> float:
    """Equation (2) from values (loss or error: more is worse) at `places`, the first 0 and the last 1."""
    first, last = values[0], values[-1]
    return max(value - ((1 - place) * first + place * last) for place, value in zip(places, values, strict=True))
