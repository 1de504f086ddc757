"""One look for every figure: column width of a paper, legible at print size, safe for colour-blind readers.

Matplotlib is imported where something is drawn: a table needs none of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_WIDTH = 3.4  # inches: one column of a two-column paper
PAGE_WIDTH = 7.0  # inches: both columns

# Okabe & Ito (2008), without the yellow that vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
REFERENCE = "#555555"

STYLE: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.grid.which": "major",
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 300,
    "figure.dpi": 150,
    "pdf.fonttype": 42,  # real fonts in PDFs: journals refuse type 3
}


@contextmanager
def styled() -> Iterator[None]:
    """The look, for the figures that are made inside; matplotlib's own settings are left as they were."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def new_figure(width: float = COLUMN_WIDTH, height: float = 2.4) -> "Figure":
    """An empty figure (inches) that no window system knows of, so that it needs no closing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def sequence(count: int) -> list[str]:
    """`count` colours that read as an order from light to dark, also in grey."""
    import matplotlib as mpl

    colour_map = mpl.colormaps["viridis"]
    stops = [0.85 - 0.85 * i / max(count - 1, 1) for i in range(count)]
    return [mpl.colors.to_hex(colour_map(stop)) for stop in stops]
