"""Names at lines and points, in place of a legend: the eye need not go back and forth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

APART = 9.0  # points: the least distance between the middles of two names
BESIDE = 4.0  # points between a line's end and its name


class End(NamedTuple):
    """The end of a line in data coordinates, its name and its colour."""

    label: str
    x: float
    y: float
    colour: str


def label_ends(axes: "Axes", ends: Sequence[End], *, apart: float = APART) -> None:
    """Write each line's name at its right end; names that would lie upon one another are moved up and down.

    Call it when all else is in the figure: places are those that its layout gives the lines.
    """
    ends = sorted((end for end in ends if np.isfinite(end.y)), key=lambda end: end.y)
    if not ends:
        return
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    points = 72.0 / figure.dpi
    heights = np.array([axes.transData.transform((end.x, end.y))[1] for end in ends]) * points
    for end, height, place in zip(ends, heights, spread(heights, apart), strict=True):
        where = (BESIDE, float(place - height))
        axes.annotate(
            end.label, (end.x, end.y), xytext=where, textcoords="offset points", color=end.colour, va="center",
            size=7, annotation_clip=False,
        )  # fmt: skip


def label_points(axes: "Axes", points: Sequence[End]) -> None:
    """Write each point's name above it; a name that would lie upon one before it is left out.

    Call it when all else is in the figure, with those first that must be named.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    taken: list[Bbox] = []
    for point in points:
        if not (np.isfinite(point.x) and np.isfinite(point.y)):
            continue
        text = axes.annotate(
            point.label, (point.x, point.y), xytext=(0, 2), textcoords="offset points", color=point.colour,
            ha="center", va="bottom", size=6,
        )  # fmt: skip
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


def spread(places: npt.NDArray[np.float64], apart: float) -> npt.NDArray[np.float64]:
    """Sorted places moved as little as it takes (in squares) for neighbours to be `apart`.

    With the least distances taken off, that is the nearest sequence that never falls: isotonic regression, whose
    answer pools neighbours that would change places (Barlow et al., 1972).
    """
    steps = apart * np.arange(len(places))
    pools: list[tuple[float, int]] = []
    for value in places - steps:
        mean, size = float(value), 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    moved: npt.NDArray[np.float64] = np.repeat([mean for mean, _ in pools], [size for _, size in pools]) + steps
    return moved
