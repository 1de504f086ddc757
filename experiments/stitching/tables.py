"""The four tables of a stitching run, from per-image scores. Knows arrays and frames; no model, no run.

    results             a row a cell (mapping x anchors x ridge): the stitched model beside its parents
    results_class       the same for each class, with the variance over its images
    results_top         a row for each cell and image: errors, worst and best 5 %, latent distances and cosines
    error_distribution  count, mean and variance of the error of each model and class

The error of an image is that of the model's own task: the mean squared error per pixel, in intensity squared on
[0, 1], or the cross-entropy in nats; a column that holds one is named by it (`mse_…`, `cross_entropy_…`).
The README of this experiment lists every column.

Shapes: N images of the scored split, K of them that SSIM is measured on, M cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from framework.metrics.reconstruction import class_means, psnr_per_image

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

EXTREME = 0.05  # share of the images that are the worst (top) or the best (low)
CELL_FACTORS = ("sampling_seed", "mapping", "ridge", "num_samples", "name")


@dataclass(frozen=True)
class Side:
    """One parent on the scored split: its error on each image, and its predictions where it classifies."""

    name: str
    metric: Literal["mse", "cross_entropy"]
    errors: Floats  # (N,)
    predictions: Labels | None = None  # (N,)


@dataclass(frozen=True)
class CellScores:
    """One cell on the scored split. Latents of other sizes have no distance and no cosine: None."""

    factors: dict[str, Any]  # CELL_FACTORS
    errors: Floats  # (N,), in the metric of the target
    distance_target: Floats  # ||T(z1) - z2||, (N,)
    cosine_target: Floats
    distance_source: Floats | None = None  # ||T(z1) - z1||
    cosine_source: Floats | None = None
    predictions: Labels | None = None
    ssim: Floats | None = None  # (K,), of the first K images
    summary: dict[str, float] = field(default_factory=dict)  # numbers of the cell as a whole


@dataclass(frozen=True)
class Scored:
    """All cells of a run, and what they share. `factors` are the same in every row."""

    factors: dict[str, Any]
    labels: Labels  # (N,)
    indices: Labels  # (N,), positions in the official split
    source: Side
    target: Side
    cells: Sequence[CellScores]
    distance_original: Floats | None = None  # ||z1 - z2||, (N,)
    cosine_original: Floats | None = None

    @property
    def sides(self) -> dict[str, Side]:
        """The parents by their role."""
        return {"source": self.source, "target": self.target}


def result_rows(scored: Scored) -> pd.DataFrame:
    """The table `results`."""
    return pd.DataFrame([_result_row(scored, cell) for cell in scored.cells])


def class_rows(scored: Scored) -> pd.DataFrame:
    """The table `results_class`: `kept_*` in per cent; NaN where a parent's extremes lack the class."""
    flags = {role: extremes(side.errors) for role, side in scored.sides.items()}
    frames = []
    for cell in scored.cells:
        frame = pd.DataFrame(list(_class_columns(scored, cell, flags)))
        for column, (name, value) in enumerate((scored.factors | cell.factors).items()):
            frame.insert(column, name, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def image_rows(scored: Scored) -> pd.DataFrame:
    """The table `results_top`. Text columns are categories: the table has as many rows as cells times images."""
    cells, count = scored.cells, len(scored.labels)
    columns: dict[str, Any] = {}
    for name in ("source", "target", "sampling"):
        columns[name] = _repeated([str(scored.factors[name])], count * len(cells))
    for name in CELL_FACTORS:
        columns[name] = _repeated([cell.factors[name] for cell in cells], count)
    columns["image"] = np.tile(scored.indices.astype(np.int32), len(cells))
    columns["class"] = np.tile(scored.labels.astype(np.int16), len(cells))
    for role, side in scored.sides.items():
        columns[f"error_{role}"] = np.tile(side.errors, len(cells))
    columns["error_stitched"] = np.concatenate([cell.errors for cell in cells])
    for role, side in scored.sides.items():
        columns |= {f"{role}_{end}": np.tile(flags, len(cells)) for end, flags in extremes(side.errors).items()}
    own = [extremes(cell.errors) for cell in cells]
    columns |= {f"stitched_{end}": np.concatenate([flags[end] for flags in own]) for end in ("top", "low")}
    columns |= _latent_columns(scored)
    columns |= _prediction_columns(scored)
    return pd.DataFrame(columns)


def distribution_rows(scored: Scored) -> pd.DataFrame:
    """The table `error_distribution`: the parents once, then every cell, by class."""
    frames = []
    parents = {"source": scored.factors["source"], "target": scored.factors["target"]}
    for role, side in scored.sides.items():
        moments = class_means(side.errors, scored.labels)
        frames.append(moments.assign(model=side.name, role=role, metric=side.metric, **parents))
    for cell in scored.cells:
        moments = class_means(cell.errors, scored.labels)
        metric, name = scored.target.metric, cell.factors["name"]
        frames.append(moments.assign(model=name, role="stitched", metric=metric, **parents))
    table = pd.concat(frames, ignore_index=True)
    return table[["model", "role", "source", "target", "metric", "class", "count", "mean", "variance"]]


def extremes(errors_N: Floats) -> dict[str, Flags]:
    """`top`: the worst 5 % of the images, those with the largest error; `low`: the best 5 %. At least one each.

    Of equal errors the image that comes first counts as the worse in `top` and as the better in `low`.
    """
    count = max(1, round(EXTREME * len(errors_N)))
    found = {}
    for end, keys in (("top", -errors_N), ("low", errors_N)):
        flags = np.zeros(len(errors_N), dtype=bool)
        flags[np.argsort(keys, kind="stable")[:count]] = True
        found[end] = flags
    return found


def _result_row(scored: Scored, cell: CellScores) -> dict[str, Any]:
    metric = scored.target.metric
    row = scored.factors | cell.factors | {f"{metric}_stitched": _mean(cell.errors)}
    row |= {f"{side.metric}_{role}": _mean(side.errors) for role, side in scored.sides.items()}
    if metric == "mse":
        row["psnr_stitched"] = _mean(psnr_per_image(cell.errors))
    if cell.ssim is not None and len(cell.ssim):
        row["ssim_stitched"] = _mean(cell.ssim)
    if cell.predictions is not None:
        row["accuracy_stitched"] = _mean(cell.predictions == scored.labels)
        for role, side in scored.sides.items():
            if side.predictions is not None:
                row[f"accuracy_{role}"] = _mean(side.predictions == scored.labels)
                row[f"agreement_{role}"] = _mean(side.predictions == cell.predictions)
    row |= {f"latent_distance_{role}": _mean(values) for role, values in _distances(scored, cell).items()}
    row |= {f"cosine_{role}": _mean(values) for role, values in _cosines(scored, cell).items()}
    return row | cell.summary


def _class_columns(
    scored: Scored, cell: CellScores, flags: dict[str, dict[str, Flags]]
) -> Iterator[dict[str, Any]]:
    own, metric = extremes(cell.errors), scored.target.metric
    for label in np.unique(scored.labels):
        members = scored.labels == label
        row: dict[str, Any] = {"class": int(label), "count": int(members.sum())}
        row[f"{metric}_stitched"] = _mean(cell.errors[members])
        row[f"{metric}_stitched_variance"] = float(cell.errors[members].astype(np.float64).var())
        for role, side in scored.sides.items():
            row[f"{side.metric}_{role}"] = _mean(side.errors[members])
            row[f"{side.metric}_{role}_variance"] = float(side.errors[members].astype(np.float64).var())
        if metric == "mse":
            row["psnr_stitched"] = _mean(psnr_per_image(cell.errors[members]))
        if cell.ssim is not None and len(cell.ssim):
            row["ssim_stitched"] = _mean(cell.ssim[members[: len(cell.ssim)]])
        if cell.predictions is not None:
            row["accuracy_stitched"] = _mean(cell.predictions[members] == label)
            for role, side in scored.sides.items():
                if side.predictions is not None:
                    row[f"accuracy_{role}"] = _mean(side.predictions[members] == label)
        for role in scored.sides:
            for end in ("top", "low"):
                before = flags[role][end] & members
                row[f"kept_{role}_{end}"] = 100 * _mean(own[end][before])
        for end in ("top", "low"):
            row[f"latent_distance_{end}"] = _mean(cell.distance_target[own[end] & members])
        yield row


def _latent_columns(scored: Scored) -> dict[str, Floats]:
    columns: dict[str, Floats] = {}
    for what, of in (("latent_distance", _distances), ("cosine", _cosines)):
        found = [of(scored, cell) for cell in scored.cells]
        columns |= {f"{what}_{role}": np.concatenate([values[role] for values in found]) for role in found[0]}
    return columns


def _prediction_columns(scored: Scored) -> dict[str, npt.NDArray[np.int16]]:
    predictions = [cell.predictions for cell in scored.cells if cell.predictions is not None]
    columns = {
        f"prediction_{role}": np.tile(side.predictions.astype(np.int16), len(scored.cells))
        for role, side in scored.sides.items()
        if side.predictions is not None
    }
    if predictions:
        columns["prediction_stitched"] = np.concatenate(predictions).astype(np.int16)
    return columns


def _distances(scored: Scored, cell: CellScores) -> dict[str, Floats]:
    """Distances between latents of an image: unmapped, and of the mapped to the source's and target's."""
    return _known(scored.distance_original, cell.distance_source, cell.distance_target)


def _cosines(scored: Scored, cell: CellScores) -> dict[str, Floats]:
    return _known(scored.cosine_original, cell.cosine_source, cell.cosine_target)


def _known(original: Floats | None, source: Floats | None, target: Floats | None) -> dict[str, Floats]:
    found = {"original": original, "source": source, "target": target}
    return {role: values for role, values in found.items() if values is not None}


def _repeated(values: Sequence[Any], count: int) -> Any:
    """Each value `count` times in a row; text as categories."""
    places = np.repeat(np.arange(len(values)), count)
    if not isinstance(values[0], str):
        return np.array(values)[places]
    kinds = pd.Index(dict.fromkeys(values))
    return pd.Categorical.from_codes(kinds.get_indexer(pd.Index(values))[places], kinds)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")
