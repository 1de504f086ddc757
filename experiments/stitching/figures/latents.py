"""Target latents and mapped latents of the same images in two dimensions: a panel a mapping, one of each family.

The embedding is computed once, for the target's own latents together with all the mapped ones, so that the panels
share their axes: PCA (fitted to the target's latents), t-SNE, and UMAP where it is installed.

Where a class is carried to is an arrow: from the mean of its mapped latents to the mean of the target's own. Where
the mapping fits, arrows are short.

Shapes: L images, E target dimensions, P mappings.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.stitching.figures.looks import in_order, look
from framework.report.panels import panel_grid
from framework.report.style import COLOURS, PAGE_WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating[Any]]
Embedding = Callable[[Floats, Floats], tuple[Floats, Floats]]

IMAGES = {"pca": 300, "tsne": 100, "umap": 100}  # in each panel
SEED = 0
FIRST = ("identity", "relative", "orthogonal", "affine", "kernel", "mlp", "task_loss")
MOST = 6  # panels
OWN, MAPPED = "#BBBBBB", COLOURS[0]


def embeddings() -> dict[str, Embedding]:
    """The embeddings that this machine can compute, by name."""
    found: dict[str, Embedding] = {"pca": _pca, "tsne": _tsne}
    return found | ({"umap": _umap} if importlib.util.find_spec("umap") else {})


def latents(galleries: Mapping[str, Mapping[str, npt.NDArray[Any]]], name: str) -> "Figure":
    """Grey: the target's own latents; blue: the mapped ones; a number and an arrow for each class.

    Args:
        galleries: By mapping, the arrays of a run (`gallery.py`); all of one pair of models.
        name: Of the embedding.
    """
    mappings = shown_of(galleries)
    count = IMAGES[name]
    own_LE = galleries[mappings[0]]["z_target"][:count]
    labels_L = galleries[mappings[0]]["labels"][:count]
    mapped_PLE = np.stack([galleries[mapping]["z_mapped"][:count] for mapping in mappings])
    flat = mapped_PLE.reshape(-1, mapped_PLE.shape[-1])
    own_L2, flat_2 = embeddings()[name](own_LE, flat)
    mapped_PL2 = flat_2.reshape(len(mappings), -1, 2)
    with styled():
        figure, axes = panel_grid(len(mappings), 3, width=PAGE_WIDTH, row_height=1.9, extra_height=0.35)
        for panel, mapping, mapped_L2 in zip(axes, mappings, mapped_PL2, strict=True):
            _scatter(panel, own_L2, mapped_L2, labels_L)
            panel.set_title(look(mapping).name)
        # Mapped latents may lie far out; the frame is the target's own, and a little of what is around it.
        low, high = own_L2.min(axis=0), own_L2.max(axis=0)
        margin = (high - low) / 8
        axes[0].set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes[0].set_ylim(low[1] - margin[1], high[1] + margin[1])
        title = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}[name]
        words = "grey: the target's latents, blue: mapped ones; arrows: how far each class is off"
        figure.suptitle(f"{title}, {words}", fontsize=8)
    return figure


def shown_of(mappings: Iterable[str]) -> list[str]:
    """At most six mappings, one of each family before a second one, in the order in which they read."""
    present = in_order(mappings)
    wanted = [*(m for m in FIRST if m in present), *(m for m in present if m not in FIRST)]
    seconds = [m for place, m in enumerate(wanted) if look(m).family in {look(n).family for n in wanted[:place]}]
    firsts = [m for m in wanted if m not in seconds]
    return in_order([*firsts, *seconds][:MOST])


def _scatter(axes: "Axes", own_L2: Floats, mapped_L2: Floats, labels_L: npt.NDArray[Any]) -> None:
    axes.scatter(own_L2[:, 0], own_L2[:, 1], s=3, color=OWN, linewidths=0)
    axes.scatter(mapped_L2[:, 0], mapped_L2[:, 1], s=3, color=MAPPED, alpha=0.45, linewidths=0)
    for label in np.unique(labels_L):
        tip, tail = own_L2[labels_L == label].mean(axis=0), mapped_L2[labels_L == label].mean(axis=0)
        arrow = {"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "color": COLOURS[1], "linewidth": 1.0}
        axes.annotate("", xy=tuple(tip), xytext=tuple(tail), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 5})
        axes.annotate(
            str(label), tuple(tip), ha="center", va="center", size=6.5, weight="bold",
            bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def _pca(own_LE: Floats, mapped_ME: Floats) -> tuple[Floats, Floats]:
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    fitted = PCA(2, random_state=SEED).fit(own_LE)
    return fitted.transform(own_LE), fitted.transform(mapped_ME)


def _tsne(own_LE: Floats, mapped_ME: Floats) -> tuple[Floats, Floats]:
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    joined = np.concatenate([own_LE, mapped_ME])
    embedded = TSNE(2, init="pca", perplexity=min(30, len(joined) // 4), random_state=SEED).fit_transform(joined)
    return embedded[: len(own_LE)], embedded[len(own_LE) :]


def _umap(own_LE: Floats, mapped_ME: Floats) -> tuple[Floats, Floats]:
    from umap import UMAP  # type: ignore[import-not-found,import-untyped,unused-ignore]

    embedded = UMAP(n_components=2, random_state=SEED, n_jobs=1).fit_transform(np.concatenate([own_LE, mapped_ME]))
    return embedded[: len(own_LE)], embedded[len(own_LE) :]
