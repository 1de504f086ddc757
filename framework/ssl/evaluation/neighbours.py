"""The neighbour gallery: the images that a model puts nearest to some queries, as data and as a figure.

Shapes: Q queries, N images of the bank, K neighbours, C channels, H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.report.style import COLOURS, PAGE_WIDTH, new_figure, styled
from framework.ssl.evaluation.features import Features
from framework.ssl.evaluation.search import nearest, shared

SHOWN = 8
OTHER = COLOURS[1]  # the red of the palette
OWN = "#000000"


@dataclass(frozen=True)
class Gallery:
    """The nearest images of the bank, the nearest first: cosines, positions in the bank, labels, each (Q, K)."""

    cosines: Tensor
    positions: Tensor
    query_labels: Tensor
    labels: Tensor

    @property
    def same(self) -> Tensor:
        """Whether a neighbour is of its query's class, (Q, K)."""
        return self.labels == self.query_labels[:, None]

    def frame(self) -> pd.DataFrame:
        """A row for each neighbour of each query; ranks count from 1."""
        queries, shown = self.positions.shape
        return pd.DataFrame(
            {
                "query": np.repeat(np.arange(queries), shown),
                "rank": np.tile(np.arange(1, shown + 1), queries),
                "position": self.positions.flatten().numpy(),
                "cosine": self.cosines.flatten().double().numpy(),
                "query_label": np.repeat(self.query_labels.numpy(), shown),
                "label": self.labels.flatten().numpy(),
                "same": self.same.flatten().numpy(),
            }
        )


def neighbours(queries: Features, bank: Features, k: int = SHOWN) -> Gallery:
    """The k images of the bank that are nearest to each query by cosine.

    Raises:
        InvalidInput: a query lies in the bank, where the positions of both are known; as `search.nearest`.
    """
    if problems := shared(queries.indices, bank.indices):
        raise InvalidInput(problems, "neighbours")
    cosines_QK, positions_QK = nearest(queries.features, bank.features, k)
    positions_QK = positions_QK.cpu()
    return Gallery(cosines_QK.cpu(), positions_QK, queries.labels.cpu(), bank.labels.cpu()[positions_QK])


def gallery_figure(
    gallery: Gallery, query_images: Tensor, bank_images: Tensor, classes: Sequence[Any] | None = None
) -> Figure:
    """A row for each query, which stands at the left; above each image its class, in red where it is another.

    Args:
        gallery: What is nearest.
        query_images: (Q, C, H, W) of the queries, intensities on [0, 1]; C is 1 or 3.
        bank_images: (N, C, H, W) of the bank, likewise.
        classes: Names of the classes, by their number; the numbers, where none are given.

    Raises:
        InvalidInput: images of another number or with other channels.
    """
    queries, shown = gallery.positions.shape
    _refuse(gallery, query_images, bank_images)
    with styled():
        figure = new_figure(PAGE_WIDTH, (PAGE_WIDTH / (shown + 1) + 0.17) * queries)
        axes = figure.subplots(queries, shown + 1, squeeze=False)
        for q in range(queries):
            own = int(gallery.query_labels[q])
            _draw(axes[q][0], query_images[q], _name(own, classes), OWN, "bold")
            for n, (position, label) in enumerate(zip(gallery.positions[q], gallery.labels[q], strict=True), 1):
                colour = OWN if int(label) == own else OTHER
                _draw(axes[q][n], bank_images[int(position)], _name(int(label), classes), colour, "normal")
    return figure


def _draw(panel: Any, image_CHW: Tensor, name: str, colour: str, weight: str) -> None:
    panel.imshow(_shown(image_CHW), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    panel.set_title(name, color=colour, fontweight=weight, pad=2)
    panel.set_axis_off()


def _name(label: int, classes: Sequence[Any] | None) -> str:
    return str(label if classes is None else classes[label])


def _shown(image_CHW: Tensor) -> npt.NDArray[np.float32]:
    pixels = image_CHW.detach().cpu().float().clamp(0, 1).numpy()
    return np.asarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))


def _refuse(gallery: Gallery, query_images: Tensor, bank_images: Tensor) -> None:
    problems = []
    counts = {"query_images": len(gallery.positions), "bank_images": int(gallery.positions.max()) + 1}
    for (name, least), images in zip(counts.items(), (query_images, bank_images), strict=True):
        if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) < least:
            message = f"have the shape {tuple(images.shape)}; allowed: (N, 1 or 3, H, W), at least {least} images"
            problems.append(Problem(name, message))
    if problems:
        raise InvalidInput(problems, "gallery")
