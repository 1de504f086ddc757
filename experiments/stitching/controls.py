"""What a stitched score must be held against before it says anything about the mapping.

    shuffled_anchors   the mapping of the run, fitted to anchors that are paired at random
    random_encoder     the mapping of the run, from the source before it was trained
    class_means        every image goes to the target's mean of the nearest class (`class_means.py`)
    task_loss          an affine layer that is trained through the target on the anchors' images (`task_loss.py`)

The first three say how much a score owes to the decoder, to the images, and to the classes; the last is what an
affine layer could reach. Each is scored and logged like a mapping, under a name of its own.

Shapes: S anchors, D source dimensions, E target dimensions.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments.stitching.cells import Cell, Draw, fit_cells
from experiments.stitching.config import StitchingConfig
from experiments.stitching.parents import Parent, load_parent, model_name
from experiments.stitching.task_loss import Loss, train_on_task
from framework.data.vision import Splits
from framework.mappings.base import AffineMapping
from framework.mappings.class_means import fit_class_means
from framework.mappings.config import MappingConfig
from framework.mappings.methods import fit_grid, mapping_of
from framework.metrics.reconstruction import mse_per_image
from framework.models.split import split
from framework.seeds import torch_numbers
from framework.ssl.probed.config import ProbeConfig
from framework.training.checkpoints import load_model
from framework.training.evaluation import evaluate, evaluating

if TYPE_CHECKING:
    from framework.tracking.run import Run


def untrained(parent: Parent, splits: Splits, device: torch.device, run: "Run") -> Parent:
    """The same model as it was before its first step, with what it makes of every image.

    Of an encoder with a probe, its features then, and a probe that was fitted to them.

    Raises:
        ArtifactError: the model cannot be had.
    """
    if isinstance(parent.config, ProbeConfig):
        before = load_parent(parent.config.untrained, None, run)
        return replace(parent, name=f"untrained_{parent.name}", model=before.model, evaluation=before.evaluation)
    model = load_model(run.require("model", parent.config), parent.config, "initial")
    if parent.layer is not None:
        model = split(model, parent.layer, model.input_shape)
    evaluation = evaluate(model, splits, device)
    name = f"untrained_{model_name(parent.config, model.latent_dim, parent.layer)}"
    return replace(parent, name=name, model=model.cpu(), evaluation=evaluation)


def fit_control(
    config: StitchingConfig,
    source: Parent,
    target: Parent,
    splits: Splits,
    anchors: Mapping[Draw, Tensor],
    where: str,
    run: "Run",
) -> list[Cell]:
    """The cells of the control that the config names; of `none` and `random_encoder` those of the mapping itself.

    Layers that are trained are kept one by one: a run that was left goes on with the next.

    Raises:
        InvalidInput: the latents or their sizes cannot be used.
    """
    z_source, z_target = (parent.evaluation.latents["train"] for parent in (source, target))
    if config.control == "shuffled_anchors":
        return _shuffled(config, z_source, z_target, anchors, where)
    if config.control == "class_means":
        labels = splits.train.labels
        return [
            Cell(
                draw.num_samples,
                0.0,
                fit_class_means(z_source[at], z_target[at], labels[at]),
                draw.seed,
                config.label,
            )
            for draw, at in anchors.items()
        ]
    cells = fit_cells(config.mapping, z_source, z_target, anchors, where)
    if config.control == "task_loss":
        cells = [
            _kept(
                run, cell, lambda one: _trained(one, config.mapping, z_source, z_target, target, splits, anchors)
            )
            for cell in cells
        ]
    return [cell._replace(label=config.label) for cell in cells]


def _shuffled(
    config: StitchingConfig, z_source: Tensor, z_target: Tensor, anchors: Mapping[Draw, Tensor], where: str
) -> list[Cell]:
    """Fitted draw by draw: the target's rows of the anchors in another order than the source's."""
    cells = []
    for draw, at in anchors.items():
        order = torch.randperm(len(at), generator=torch_numbers(draw.seed))
        mixed = z_target.clone()
        mixed[at] = z_target[at[order]]
        found = fit_cells(config.mapping, z_source, mixed, {draw: at}, where)
        cells += [cell._replace(label=config.label) for cell in found]
    return cells


def _kept(run: "Run", cell: Cell, train: Callable[[Cell], Cell]) -> Cell:
    """The cell with its trained layer: as an earlier attempt at the run left it, or trained now."""
    with run.progress.stage(f"task_loss {cell.num_samples} {cell.seed} {cell.ridge!r}") as stage:
        start = cell.mapping
        if stage.is_over and stage.state is not None:
            numbers = load_file(stage.state)
            trained = mapping_of(start.kind, numbers, start.source_dim, start.target_dim)
            trained.fitted_with = start.fitted_with
            return cell._replace(mapping=trained)
        found = train(cell)
        stage.over(lambda path: save_file(found.mapping.state_dict(), path))
        return found


def _trained(
    cell: Cell,
    mapping: MappingConfig,
    z_source: Tensor,
    z_target: Tensor,
    target: Parent,
    splits: Splits,
    anchors: Mapping[Draw, Tensor],
) -> Cell:
    """The cell with a stitching layer; its mapping is where training begins."""
    at_S = anchors[Draw(cell.num_samples, cell.seed)]
    z_SD, y_SE = z_source[at_S], z_target[at_S]
    start = cell.mapping
    if not isinstance(start, AffineMapping):
        raise TypeError(f"a stitching layer begins at an affine map, not at {start.kind}")  # the config refuses

    def fit(rows: Tensor) -> AffineMapping:
        found = fit_grid(mapping.kind, [(z_SD[rows], y_SE[rows])], [cell.ridge], **mapping.options())[0][0]
        return cast("AffineMapping", found)

    with evaluating(target.model):
        loss = _loss(target, splits, at_S)
        with torch.enable_grad():
            trained = train_on_task(start, fit, z_SD.float(), y_SE.float(), loss, cell.seed)
    trained.fitted_with = start.fitted_with
    return cell._replace(mapping=trained)


def _loss(target: Parent, splits: Splits, at_S: Tensor) -> Loss:
    images, labels = splits.train.images[at_S], splits.train.labels[at_S]
    frozen = target.model.requires_grad_(False)

    def loss(latents_BE: Tensor, rows_B: Tensor) -> Tensor:
        outputs = frozen.decode(latents_BE)
        if frozen.task == "classification":
            return F.cross_entropy(outputs, labels[rows_B])
        return mse_per_image(outputs, images[rows_B], splits.pixel_scale).mean()

    return loss
