"""The work of one stitching run: fit every cell of (num_samples, ridge), score it, log tables and mappings.

Latents and the parents' own errors come from the models' artifacts (`framework.training.evaluation`), so nothing
is encoded here. What costs time is decoding: cells x images, in batches across cells.

Shapes: N images of the scored split, S anchors, D source and E target dimensions, M cells, C channels,
H = W pixels a side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from experiments.stitching.cells import Cell, save_cells
from experiments.stitching.config import StitchingConfig
from framework.data.sampling import STRATEGIES
from framework.data.vision import ImageSet, Splits, load_splits
from framework.mappings.methods import fit_path
from framework.metrics.reconstruction import class_means, mse_per_image
from framework.models.autoencoder import Autoencoder
from framework.report.figures import image_grid
from framework.training.checkpoints import load_model
from framework.training.config import TrainingConfig
from framework.training.evaluation import Evaluation, evaluating, load_evaluation
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

DECODED_AT_ONCE = 512  # images
SHOWN = 10  # images in the picture


@dataclass(frozen=True)
class Parent:
    """A trained model with what it makes of its data."""

    name: str
    config: TrainingConfig
    model: Autoencoder
    evaluation: Evaluation


def stitching_study(config: StitchingConfig, run: "Run") -> None:
    """Fit, score and log every cell: the tables `results` and `results_class`, the artifact `mapping`.

    Raises:
        ConfigError: more anchors are asked for than the train split can give.
        DataUnavailable: the data set is not there.
        ArtifactError: a model cannot be had.
    """
    device = resolve_device(config.device)
    splits = load_splits(config.source.data)
    anchors = pick_anchors(config, splits.train)
    source = load_parent(config.source, run)
    target = source if config.target.config_id == config.source.config_id else load_parent(config.target, run)

    cells = fit_cells(config, source.evaluation, target.evaluation, anchors)
    scored: ImageSet = getattr(splits, config.split)
    mapped_MNE = _mapped(cells, source.evaluation.latents[config.split])
    errors_MN = decoding_errors(target.model, mapped_MNE, scored.images, splits.pixel_scale, device)

    results = result_rows(config, source, target, cells, errors_MN)
    run.log_table("results", results.assign(device=device.type))
    by_class = class_rows(config, source, target, cells, errors_MN, scored.labels)
    run.log_table("results_class", by_class.assign(device=device.type))
    run.log_image("stitched", *picture(config, source, target, cells, splits))
    run.summarise(
        {
            "stitched/mse_best": float(results["mse_stitched"].min()),
            "stitched/mse_mean": float(results["mse_stitched"].mean()),
            "source/mse": float(results["mse_source"].iloc[0]),
            "target/mse": float(results["mse_target"].iloc[0]),
            "cells": len(cells),
            "device": device.type,
        }
    )
    folder = run.folder / "mapping"
    save_cells(cells, {n: splits.train.indices[p] for n, p in anchors.items()}, folder)
    run.log_artifact("mapping", config, folder, metadata={"cells": len(cells)})


def model_name(config: TrainingConfig) -> str:
    """A model in tables and figures: data set, kind, latent size and seed. Its identity is the config_id."""
    return f"{config.data.name}_{config.model.kind}_{config.model.latent_dim}_{config.seed}"


def load_parent(config: TrainingConfig, run: "Run") -> Parent:
    """The trained model of `config`, with the weights that were best on val."""
    folder = run.require("model", config)
    return Parent(model_name(config), config, load_model(folder, config), load_evaluation(folder))


def pick_anchors(config: StitchingConfig, train: ImageSet) -> dict[int, Tensor]:
    """For each number of samples the anchors' positions (S,) in the train split: images, the same for both models.

    Raises:
        ConfigError: the strategy cannot pick so many.
    """
    pick, labels = STRATEGIES[config.sampling], train.labels.numpy()
    return {n: torch.from_numpy(pick(labels, n, config.sampling_seed)) for n in config.num_samples}


def fit_cells(
    config: StitchingConfig, source: Evaluation, target: Evaluation, anchors: dict[int, Tensor]
) -> list[Cell]:
    """A cell for each number of samples and ridge; one factorisation a number of samples."""
    cells = []
    for num_samples, positions_S in anchors.items():
        z_source_SD = source.latents["train"][positions_S]
        z_target_SE = target.latents["train"][positions_S]
        mappings = fit_path(config.mapping.kind, z_source_SD, z_target_SE, config.mapping.ridges)
        cells += [Cell(num_samples, r, m) for r, m in zip(config.mapping.ridges, mappings, strict=True)]
    return cells


def _mapped(cells: Sequence[Cell], z_source_ND: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack([cell.mapping(z_source_ND) for cell in cells])


def decoding_errors(
    target: Autoencoder, mapped_MNE: Tensor, images_NCHW: Tensor, pixel_scale_C: Tensor, device: torch.device
) -> Tensor:
    """The error of each cell on each image, (M, N), in intensity squared on [0, 1]; batches run across cells."""
    cells, count, size = mapped_MNE.shape
    flat = mapped_MNE.reshape(cells * count, size)
    images_NCHW, pixel_scale_C = images_NCHW.to(device), pixel_scale_C.to(device)
    target.to(device)
    errors = []
    with evaluating(target):
        for rows in torch.split(torch.arange(len(flat)), DECODED_AT_ONCE):
            decoded = target.decode(flat[rows].to(device))
            errors.append(mse_per_image(decoded, images_NCHW[(rows % count).to(device)], pixel_scale_C).cpu())
    target.to("cpu")
    return torch.cat(errors).reshape(cells, count)


def _factors(config: StitchingConfig, source: Parent, target: Parent, cell: Cell) -> dict[str, Any]:
    mapping, ridge = config.mapping.kind, cell.ridge
    return {
        "dataset": config.source.data.name,
        "split": config.split,
        "source": source.name,
        "target": target.name,
        "source_id": source.config.config_id,
        "target_id": target.config.config_id,
        "latent_dim_source": source.model.latent_dim,
        "latent_dim_target": target.model.latent_dim,
        "sampling": config.sampling,
        "sampling_seed": config.sampling_seed,
        "mapping": mapping,
        "ridge": ridge,
        "num_samples": cell.num_samples,
        "name": f"{source.name}>{target.name}>{mapping}_{cell.num_samples}_{ridge:g}_{config.sampling}",
    }


def result_rows(
    config: StitchingConfig, source: Parent, target: Parent, cells: Sequence[Cell], errors_MN: Tensor
) -> pd.DataFrame:
    """The table `results`: a row a cell, with the error of the stitched model beside its parents' own.

    `mse_*` are mean squared errors per pixel, in intensity squared on [0, 1], over the scored split.
    """
    parents = {
        "mse_source": float(source.evaluation.errors[config.split].double().mean()),
        "mse_target": float(target.evaluation.errors[config.split].double().mean()),
    }
    means_M = errors_MN.double().mean(dim=1).tolist()
    rows = [
        _factors(config, source, target, cell) | {"mse_stitched": mse} | parents
        for cell, mse in zip(cells, means_M, strict=True)
    ]
    return pd.DataFrame(rows)


def class_rows(
    config: StitchingConfig,
    source: Parent,
    target: Parent,
    cells: Sequence[Cell],
    errors_MN: Tensor,
    labels_N: Tensor,
) -> pd.DataFrame:
    """The table `results_class`: a row a cell and class, with `count` images and the variance over them."""
    own = {
        f"mse_{role}": class_means(parent.evaluation.errors[config.split], labels_N)["mean"]
        for role, parent in (("source", source), ("target", target))
    }
    frames = []
    for cell, errors_N in zip(cells, errors_MN, strict=True):
        means = class_means(errors_N, labels_N)
        frame = means.rename(columns={"mean": "mse_stitched", "variance": "mse_stitched_variance"})
        frames.append(frame.assign(**own, **_factors(config, source, target, cell)))
    table = pd.concat(frames, ignore_index=True)
    factors = list(_factors(config, source, target, cells[0]))
    return table[[*factors, *(column for column in table if column not in factors)]]


def picture(
    config: StitchingConfig, source: Parent, target: Parent, cells: Sequence[Cell], splits: Splits
) -> tuple[Any, str]:
    """A picture and its caption: images, the source's, the stitched and the target's reconstructions, by rows.

    It shows the cell with the most anchors and the least ridge: no cell is chosen by its score.
    """
    cell = max(cells, key=lambda cell: (cell.num_samples, -cell.ridge))
    images = getattr(splits, config.split).images[:SHOWN]
    z_source = source.evaluation.latents[config.split][:SHOWN]
    z_target = target.evaluation.latents[config.split][:SHOWN]
    with evaluating(source.model), evaluating(target.model):
        rows = [
            images,
            source.model.decode(z_source),
            target.model.decode(cell.mapping(z_source)),
            target.model.decode(z_target),
        ]
    caption = (
        f"{config.split} images; {source.name}; stitched by {config.mapping.kind} from {cell.num_samples} anchors "
        f"with ridge {cell.ridge:g}; {target.name}"
    )
    return image_grid([splits.unit(row).numpy() for row in rows]), caption
