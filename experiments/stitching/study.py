"""The work of one stitching run: fit every cell of (draw, num_samples, ridge), score it, log tables and mappings.

Latents and the parents' own errors come from the models' artifacts, so nothing is encoded here: each model encodes
each image once, however many runs use it.

Shapes: N candidates (images of the train split), S anchors.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from experiments.stitching import tables
from experiments.stitching.cells import Cell, Draw, save_cells
from experiments.stitching.config import StitchingConfig
from experiments.stitching.controls import fit_control, untrained
from experiments.stitching.gallery import log_gallery, shown_cell
from experiments.stitching.parents import Parent, load_parent
from experiments.stitching.scoring import Decoding, score, val_scores
from framework.data.sampling import STRATEGIES, Candidates
from framework.data.vision import ImageSet, Splits, load_splits
from framework.mappings.methods import METHODS
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run


def stitching_study(config: StitchingConfig, run: "Run") -> None:
    """Fit, score and log every cell: the four tables (`tables.py`), pictures, and the artifact `mapping`.

    Raises:
        ConfigError: more anchors are asked for than the strategy can give, or a class that there is not.
        InvalidInput: the latents cannot be mapped: NaN, collapsed, or of sizes that the method does not take.
        DataUnavailable: the data set is not there.
        ArtifactError: a model cannot be had.
    """
    device = resolve_device(config.device)
    splits, sides = load_splits(config.data), config.sides
    source = load_parent(sides["source"], config.source_layer, run)
    same = (sides["target"].config_id, config.target_layer) == (sides["source"].config_id, config.source_layer)
    target = source if same else load_parent(sides["target"], config.target_layer, run)

    if config.control == "random_encoder":
        source = untrained(source, splits, device, run)
    anchors = pick_anchors(config, splits.train, source, target)
    where = f"{source.name} > {target.name}, mapping.kind={config.mapping.kind}"
    fitted = fit_control(config, source, target, splits, anchors, where, run)
    cells = {cell_name(config, source, target, cell): cell for cell in fitted}

    decoding = Decoding(target, config.split, splits, config.ssim_images, device)
    factors = factors_of(config, source, target) | {"device": device.type}
    scored = score(factors, source, target, cells, decoding, config.split)
    by_val = val_scores(source, target, cells, splits, config.selection_images, device)
    target.model.cpu()  # where the latents lie: what follows decodes a few images only
    results = tables.result_rows(scored).assign(**by_val)
    run.log_table("results", results)
    run.log_table("results_class", tables.class_rows(scored))
    run.log_table("error_distribution", tables.distribution_rows(scored))
    spectrum = singular_value_rows(cells)
    if len(spectrum):
        run.log_table("singular_values", spectrum)
    if config.per_image:
        run.log_table("results_top", tables.image_rows(scored), apart=True)
    log_gallery(run, shown_cell(list(cells.values())), source, target, splits, config.split)
    run.summarise(summary(config, results, source, target) | {"device": device.type})
    log_mappings(config, run, cells, anchors, splits)


def pick_anchors(config: StitchingConfig, train: ImageSet, source: Parent, target: Parent) -> dict[Draw, Tensor]:
    """For each draw the anchors' positions (S,) in the train split: the same images for both models.

    Raises:
        ConfigError: the strategy cannot pick so many, or a class is absent.
    """
    candidates = Candidates(
        labels=train.labels.numpy(),
        errors=target.evaluation.errors["train"].numpy(),
        latents=source.evaluation.latents["train"].numpy(),
        classes=config.sampling_classes,
    )
    pick = STRATEGIES[config.sampling]
    seeds = range(config.sampling_seed, config.sampling_seed + config.draws)
    draws = [Draw(n, seed) for seed in seeds for n in config.num_samples]
    return {draw: torch.from_numpy(pick(candidates, draw.num_samples, draw.seed)) for draw in draws}


def factors_of(config: StitchingConfig, source: Parent, target: Parent) -> dict[str, Any]:
    """What every row of every table of a run says."""
    factors: dict[str, Any] = {"dataset": config.data.name, "split": config.split}
    for role, parent in (("source", source), ("target", target)):
        factors |= {
            role: parent.name,
            f"{role}_id": parent.config.config_id,
            f"{role}_kind": parent.kind,
            f"{role}_seed": parent.seed,
            f"{role}_layer": parent.layer or "",
            f"latent_dim_{role}": parent.model.latent_dim,
        }
    return factors | {"sampling": config.sampling}


def cell_name(config: StitchingConfig, source: Parent, target: Parent, cell: Cell) -> str:
    """`{M1}>{M2}>{mapping}_{n}_{λ}_{strategy}`, of several draws with `_{seed}`: for people, no file's name."""
    name = f"{source.name}>{target.name}>{config.label}_{cell.num_samples}_{cell.ridge:g}_{config.sampling}"
    return name if config.draws == 1 else f"{name}_{cell.seed}"


def singular_value_rows(cells: dict[str, Cell]) -> pd.DataFrame:
    """The table `singular_values`: `name`, `rank` (from 0, the largest first), `value`, of every linear part."""
    rows = []
    for name, cell in cells.items():
        values = cell.mapping.singular_values()
        rows += [] if values is None else [(name, rank, float(value)) for rank, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["name", "rank", "value"])


def summary(config: StitchingConfig, results: pd.DataFrame, source: Parent, target: Parent) -> dict[str, Any]:
    """The run in few numbers: the stitched score, its parents', and what the method has to say.

    `stitched/<score>` is that of the number of anchors and λ that are best on the val split, over the draws.
    """
    score_name, best = ("mse", "idxmin") if target.model.task == "reconstruction" else ("accuracy", "idxmax")
    name, by_val = f"{score_name}_stitched", f"{score_name}_stitched_val"
    found = {f"stitched/{score_name}_mean": float(results[name].mean()), "cells": len(results)}
    if by_val in results:
        means = results.groupby(["num_samples", "ridge"], sort=False)[[name, by_val]].mean()
        chosen = means[by_val].agg(best)
        found |= {f"stitched/{score_name}": float(means.loc[chosen, name])}
        found |= {f"stitched/{score_name}_val": float(means.loc[chosen, by_val])}
        found |= {"stitched/num_samples": int(chosen[0]), "stitched/ridge": float(chosen[1])}
    for role in ("source", "target"):
        if f"{score_name}_{role}" in results:
            found[f"{role}/{score_name}"] = float(results[f"{score_name}_{role}"].iloc[0])
    notes = METHODS[config.mapping.kind](**config.mapping.options()).notes(
        source.model.latent_dim, target.model.latent_dim
    )
    return found | ({"notes": " ".join(notes)} if notes else {})


def log_mappings(
    config: StitchingConfig, run: "Run", cells: dict[str, Cell], anchors: dict[Draw, Tensor], splits: Splits
) -> None:
    """Log the artifact `mapping`: every cell's numbers; the anchors by position in the official train split."""
    folder = run.folder / "mapping"
    official = {draw: splits.train.indices[positions_S] for draw, positions_S in anchors.items()}
    save_cells(list(cells.values()), official, folder)
    run.log_artifact("mapping", config, folder, metadata={"cells": len(cells)})
