"""A table as a picture: a cell a number, coloured by how it compares, with the number printed in it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 0.19  # inches: the height of a row whose numbers can be read
BRIGHT = 0.5  # luminance above which a cell's number is black
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue: ITU-R BT.709


def heatmap(
    axes: "Axes",
    values: npt.NDArray[np.floating],
    shades: npt.NDArray[np.floating],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    text: Callable[[float], str],
    colours: str = "cividis",
) -> None:
    """Draw `values` (R, K), coloured by `shades` (R, K) on [0, 1]; NaN is an empty cell.

    Args:
        axes: Where to draw; the first row is on top.
        values: What is printed, by `text`.
        shades: The colour of each cell: 0 is the darkest end of `colours`, 1 the brightest.
        rows: A label for each row, R of them.
        columns: A label for each column, K of them.
        text: A number as it is printed.
        colours: A colour map that reads as an order, also in grey.
    """
    import matplotlib as mpl

    axes.imshow(shades, cmap=colours, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    painted = mpl.colormaps[colours](np.nan_to_num(shades))[..., :3]
    bright = painted @ np.array(LUMINANCE) > BRIGHT
    for row, column in np.ndindex(values.shape):
        if np.isfinite(values[row, column]):
            colour = "black" if bright[row, column] else "white"
            axes.text(
                column, row, text(float(values[row, column])), ha="center", va="center", color=colour, size=6.5
            )
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def by_column(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Shades of a table (R, K) in which higher is better, from the least to the largest of each column."""
    shades = [ranked(one, best=float(np.nanmax(one)), worst=float(np.nanmin(one)), log=False) for one in values.T]
    return np.array(shades).T


def ranked(values: npt.NDArray[np.floating], *, best: float, worst: float, log: bool) -> npt.NDArray[np.floating]:
    """Where values lie between `worst` (0) and `best` (1), on a logarithmic scale or not, cut at both ends."""
    if best == worst:
        return np.where(np.isfinite(values), 1.0, np.nan)
    scale = np.log if log else np.asarray
    with np.errstate(divide="ignore", invalid="ignore"):
        place = (scale(values) - scale(worst)) / (scale(best) - scale(worst))
    clipped: npt.NDArray[np.floating] = np.clip(place, 0.0, 1.0)
    return clipped
