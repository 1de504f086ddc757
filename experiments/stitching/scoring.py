"""What a target makes of mapped latents, and how near these are to its own: the scores of every cell.

Decoding cells x images is what a study spends its time on: one decoder is folded for it (`Model.fast_decoder`),
and works in pieces that stay in a core's cache.

Shapes: N images of the scored split, K of them that SSIM is measured on, D source and E target dimensions,
C channels, H = W pixels a side, B images in a piece.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.stitching.cells import Cell
from experiments.stitching.parents import Parent
from experiments.stitching.tables import CellScores, Scored, Side
from framework.data.vision import ImageSet, Splits
from framework.metrics.classification import cross_entropy_per_image
from framework.metrics.representation import Representation, cosine_per_image, distance_per_image
from framework.metrics.scoring import Scorer
from framework.metrics.ssim import SSIM
from framework.training.evaluation import evaluating

PIECE = 500  # images that are decoded at a time


class Decoding:
    """The target's decoder, with what mapped latents are scored against: images and its own outputs, or labels."""

    def __init__(
        self,
        target: Parent,
        split: str,
        splits: Splits,
        ssim_images: int,
        device: torch.device,
        first: int | None = None,
    ) -> None:
        images: ImageSet = getattr(splits, split)
        self.images = ImageSet(images.images[:first], images.labels[:first], images.indices[:first])
        self.device, self.ssim_images = device, ssim_images
        self.decode = target.model.to(device).eval().fast_decoder()
        self.scorer: Scorer | None = None
        self.ssim: SSIM | None = None
        if target.model.task == "classification":
            return
        own = torch.cat(list(self._outputs(target.evaluation.latents[split][:first])))
        references = [self.images.images, own]
        self.scorer = Scorer(target.model, references, splits.pixel_scale, device)
        if ssim_images:
            offset_C = splits.mean.to(device) if splits.normalise == "standard" else None
            pixels_KCHW = self.images.images[:ssim_images].to(device)
            self.ssim = SSIM(pixels_KCHW, splits.pixel_scale.to(device), offset_C)

    def scores(self, mapped_NE: Tensor) -> dict[str, Any]:
        """`errors` (N,) and what else the target's task gives: see `CellScores`, and `to_target` (N,)."""
        if self.scorer is None:
            logits_NK = torch.cat(list(self._outputs(mapped_NE))).cpu()
            errors_N = cross_entropy_per_image(logits_NK, self.images.labels)
            return {"errors": errors_N.numpy(), "predictions": logits_NK.argmax(dim=1).numpy()}
        errors_N, to_target_N = self.scorer.errors(mapped_NE).numpy()
        found = {"errors": errors_N, "to_target": to_target_N}
        if self.ssim is not None:
            decoded = torch.cat(list(self._outputs(mapped_NE[: self.ssim_images])))
            found["ssim"] = self.ssim(decoded).cpu().numpy()
        return found

    def _outputs(self, latents_NE: Tensor) -> Iterator[Tensor]:
        with torch.no_grad():
            for piece in torch.split(latents_NE, PIECE):
                yield self.decode(piece.to(self.device))


def score(
    factors: dict[str, Any],
    source: Parent,
    target: Parent,
    cells: dict[str, Cell],
    decoding: Decoding,
    split: str,
) -> Scored:
    """Scores of every cell, by its name, on a split.

    Args:
        factors: What all cells share: columns that every row of every table gets.
        source: The parent whose latents are mapped.
        target: The parent that decodes them.
        cells: The fitted mappings by name.
        decoding: The target's decoder on the same split.
        split: val or test.
    """
    z_source, z_target = source.evaluation.latents[split], target.evaluation.latents[split]
    comparable = z_source.shape == z_target.shape
    representation = Representation(z_target)
    before = {"cka_original": representation.compare(z_source)["cka"]}
    scored = [
        _cell_scores(name, cell, z_source, z_target, representation, decoding, before)
        for name, cell in cells.items()
    ]
    return Scored(
        factors=factors,
        labels=decoding.images.labels.numpy(),
        indices=decoding.images.indices.numpy(),
        source=_side(source, split),
        target=_side(target, split),
        cells=scored,
        distance_original=distance_per_image(z_source, z_target).numpy() if comparable else None,
        cosine_original=cosine_per_image(z_source, z_target).numpy() if comparable else None,
    )


def val_scores(
    source: Parent, target: Parent, cells: dict[str, Cell], splits: Splits, first: int, device: torch.device
) -> dict[str, list[float]]:
    """Of every cell the target's score on the first images of the val split, by which it may be chosen.

    The column is `mse_stitched_val`, or `accuracy_stitched_val`; of 0 images there is none.
    """
    if not first:
        return {}
    decoding = Decoding(target, "val", splits, 0, device, first)
    z_source = source.evaluation.latents["val"][:first]
    found: dict[str, list[float]] = {}
    for cell in cells.values():
        with evaluating(cell.mapping):
            decoded = decoding.scores(cell.mapping(z_source))
        name, numbers = "mse_stitched_val", decoded["errors"]
        if "predictions" in decoded:
            name, numbers = "accuracy_stitched_val", decoded["predictions"] == decoding.images.labels.numpy()
        found.setdefault(name, []).append(float(numbers.mean(dtype=np.float64)))
    return found


def _cell_scores(
    name: str,
    cell: Cell,
    z_source_ND: Tensor,
    z_target_NE: Tensor,
    representation: Representation,
    decoding: Decoding,
    before: dict[str, float],
) -> CellScores:
    with evaluating(cell.mapping):
        mapped_NE = cell.mapping(z_source_ND)
    decoded = decoding.scores(mapped_NE)
    compared = representation.compare(mapped_NE)
    summary = {**before, "cka": compared["cka"]}
    if len(compared["angles"]):
        summary |= {"angle_mean": float(compared["angles"].mean()), "angle_max": float(compared["angles"].max())}
        summary["angle_null"] = compared["angle_null"]
    singular = cell.mapping.singular_values()
    if singular is not None:
        summary |= {"singular_max": float(singular.max()), "singular_min": float(singular.min())}
    if "to_target" in decoded:
        summary["mse_to_target"] = float(decoded["to_target"].mean(dtype=np.float64))
    same = z_source_ND.shape == z_target_NE.shape
    return CellScores(
        factors={
            "sampling_seed": cell.seed,
            "mapping": cell.label,
            "ridge": cell.ridge,
            "num_samples": cell.num_samples,
            "name": name,
        },
        errors=decoded["errors"],
        distance_target=distance_per_image(mapped_NE, z_target_NE).numpy(),
        cosine_target=cosine_per_image(mapped_NE, z_target_NE).numpy(),
        distance_source=distance_per_image(mapped_NE, z_source_ND).numpy() if same else None,
        cosine_source=cosine_per_image(mapped_NE, z_source_ND).numpy() if same else None,
        predictions=decoded.get("predictions"),
        ssim=decoded.get("ssim"),
        summary=summary,
    )


def _side(parent: Parent, split: str) -> Side:
    predictions = parent.evaluation.predictions.get(split)
    return Side(
        name=parent.name,
        metric="mse" if parent.model.task == "reconstruction" else "cross_entropy",
        errors=parent.evaluation.errors[split].numpy(),
        predictions=None if predictions is None else predictions.numpy(),
    )
