"""Images source → stitched → target, and error maps: where on the image the error lies. One pair, every mapping.

Shapes: S images, C channels, H x W pixels.
"""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.stitching.figures.looks import in_order, look
from framework.report.figures import image_grid
from framework.report.panels import panel_grid
from framework.report.style import PAGE_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = 18  # characters in a line
Galleries = Mapping[str, Mapping[str, npt.NDArray[Any]]]


def stitched_images(galleries: Galleries) -> "Figure":
    """Rows: the images, the source's own reconstruction, the stitched one of each mapping, the target's own."""
    mappings = in_order(galleries)
    first = galleries[mappings[0]]
    rows = {"images": first["images"]}
    if "source" in first:
        rows["source alone"] = first["source"]
    rows |= {look(mapping).name: galleries[mapping]["stitched"] for mapping in mappings}
    rows["target alone"] = first["target"]
    grid = image_grid([images.astype(np.float32) / 255 for images in rows.values()])
    height = first["images"].shape[2] + 1
    with styled():
        figure, (axes,) = panel_grid(1, 1, row_height=0.212 * len(rows), extra_height=0.06)
        axes.imshow(grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        axes.set_anchor(
            "W"
        )  # the layout leaves room for the labels of where the axes begin, not of where they are
        axes.set_yticks([height * row + height / 2 - 1 for row in range(len(rows))], list(rows))
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def error_maps(galleries: Galleries) -> "Figure":
    """The squared error of each pixel, mean over images and channels; one scale for all panels."""
    mappings = in_order(galleries)
    first = galleries[mappings[0]]
    maps = {f"{role} alone": first[f"error_{role}"] for role in ("source", "target") if f"error_{role}" in first}
    maps |= {look(mapping).name: galleries[mapping]["error_stitched"] for mapping in mappings}
    # A mapping that blows up would leave nothing to see of the others.
    brightest = float(np.median([values.max() for values in maps.values()])) * 1.5
    with styled():
        figure, axes = panel_grid(len(maps), 6, width=PAGE_WIDTH, row_height=1.35, extra_height=0.25)
        for panel, (title, values) in zip(axes, maps.items(), strict=True):
            drawn = panel.imshow(values, cmap="magma", vmin=0, vmax=brightest, interpolation="nearest")
            panel.set_title(f"{textwrap.fill(title, TITLE)}\n{values.mean():.3g}", fontsize=7)
            panel.set_xticks([])
            panel.set_yticks([])
            panel.grid(visible=False)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=30, extend="max")
        bar.set_label("mean squared error", fontsize=7)
    return figure
