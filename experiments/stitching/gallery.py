"""What figures need and tables do not hold: pictures, error maps and latents of one cell of a run.

The cell is the one with the most anchors and, of these, the least positive ridge (0 where there is no other): no
cell is chosen by its score. The arrays lie in the run's results as `gallery.npz`:

    images, source, stitched, target    (S, C, H, W) uint8: the first images of the split, and what each model
                                        gives back; those that a classifier cannot give are left out
    error_source, …_stitched, …_target  (H, W): squared error of a pixel, mean over images and channels
    z_target, z_mapped                  (L, E): latents of the first images, the target's own and the mapped
    labels                              (L,): their classes

Shapes: S images shown, L images whose latents are kept, C channels, H x W pixels, E target dimensions.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experiments.stitching.cells import Cell
from experiments.stitching.parents import Parent
from framework.data.vision import Splits
from framework.report.figures import image_grid
from framework.training.evaluation import evaluating

if TYPE_CHECKING:
    from framework.tracking.run import Run

SHOWN = 10
LATENTS = 500
MAPPED = 1000  # images that an error map is a mean over
ROWS = ("images", "source", "stitched", "target")


def shown_cell(cells: Sequence[Cell]) -> Cell:
    """The cell that pictures show."""
    return max(cells, key=lambda cell: (cell.num_samples, cell.ridge > 0, -cell.ridge))


def log_gallery(run: "Run", cell: Cell, source: Parent, target: Parent, splits: Splits, split: str) -> None:
    """Log the arrays, and where images are given back the picture `stitched` (a row for each of `ROWS`)."""
    arrays = gallery(cell, source, target, splits, split)
    run.log_arrays("gallery", arrays)
    rows = [name for name in ROWS if name in arrays]
    if len(rows) > 1:
        words = {"images": f"{split} images", "source": source.name, "target": target.name}
        words["stitched"] = f"stitched by {cell.label} from {cell.num_samples} anchors with ridge {cell.ridge:g}"
        grid = image_grid([arrays[name].astype(np.float32) / 255 for name in rows])
        run.log_image("stitched", grid, "; ".join(words[name] for name in rows))


def gallery(cell: Cell, source: Parent, target: Parent, splits: Splits, split: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays, by the names in the module's docstring."""
    chosen = getattr(splits, split)
    z_source, z_target = source.evaluation.latents[split], target.evaluation.latents[split]
    with evaluating(source.model), evaluating(target.model), evaluating(cell.mapping):
        mapped = cell.mapping(z_source[:MAPPED])
        arrays = {
            "z_target": z_target[:LATENTS].numpy(),
            "z_mapped": mapped[:LATENTS].numpy(),
            "labels": chosen.labels[:LATENTS].numpy(),
        }
        given = {"images": chosen.images[:MAPPED]}
        if source.model.task == "reconstruction":
            given["source"] = _decoded(source, z_source)
        if target.model.task == "reconstruction":
            given["target"] = _decoded(target, z_target)
            given["stitched"] = target.model.decode(mapped)
    if len(given) == 1:
        return arrays
    for name, images in given.items():
        if name != "images":
            arrays[f"error_{name}"] = _error_map(images, given["images"], splits)
    return arrays | {name: _bytes(splits.unit(images[:SHOWN])) for name, images in given.items()}


def _decoded(parent: Parent, latents: Tensor) -> Tensor:
    return parent.model.decode(latents[:MAPPED])


def _error_map(images_NCHW: Tensor, true_NCHW: Tensor, splits: Splits) -> npt.NDArray[np.float32]:
    scaled = (images_NCHW - true_NCHW) * splits.pixel_scale[:, None, None]
    mapped: npt.NDArray[np.float32] = scaled.square().mean(dim=(0, 1)).numpy()
    return mapped


def _bytes(images_NCHW: Tensor) -> npt.NDArray[np.uint8]:
    return (images_NCHW * 255).round().to(torch.uint8).numpy()
