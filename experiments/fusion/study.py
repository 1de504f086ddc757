"""The work of one fusion run: fetch the parents, fuse them by every recipe, score and log everything.

Tables: `models` (a row a network and split), `layers` (a row a recipe, parent and basis), `curve` and `barriers`
(the straight line between the first two parents), `refining` (a row an epoch), `metrics` and `density`
(`measuring.py`).
Artifact: `fusion`, the weights of parents and fused networks, with the plans.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn

from experiments.fusion.config import FusionConfig
from experiments.fusion.measuring import Fused, density_rows, metric_rows, subjects
from experiments.fusion.parents import Parent, load_parents
from experiments.fusion.saving import save
from experiments.fusion.scoring import scored, scores
from experiments.fusion.settings import PARENTS_JOINED
from framework.data.vision import Splits, load_splits
from framework.fusion.alignment import Alignment, all_plans
from framework.fusion.ensemble import Ensemble
from framework.fusion.fusing import merged, shares_of
from framework.fusion.interpolation import barrier, between
from framework.fusion.structure import Structure, structure_of
from framework.fusion.task import Task
from framework.seeds import torch_numbers
from framework.training.refine import distil, fine_tune
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

CURVE_SPLITS = ("val", "test")


@dataclass
class Study:
    """One run on its way.

    Attributes:
        inputs, labels: The drawn images of the train split, (N, …) and (N,), on `device`, as the parents are.
        tables: Rows by the name of their table.
    """

    config: FusionConfig
    splits: Splits
    parents: list[Parent]
    shares: list[float]
    device: torch.device
    inputs: Tensor
    labels: Tensor
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> None:
        """A row of a table."""
        self.tables.setdefault(table, []).append(values)

    def score(self, family: str, stage: str, recipe: str, module: nn.Module, seconds: float) -> None:
        """A row a split in the table `models`."""
        parents = PARENTS_JOINED.join(parent.identity for parent in self.parents)
        for split, found in scores(module, self.splits, self.device).items():
            about = {"family": family, "stage": stage, "recipe": recipe, "split": split}
            self.add("models", **about, **vars(found), seconds=seconds, parents=parents)


def fusion_study(config: FusionConfig, run: "Run") -> None:
    """Fuse and log one point.

    Raises:
        ArtifactError, InvalidInput, ConfigError: parents that cannot be had or do not fit (`parents.py`), or a
            recipe that cannot be carried out on them. Nothing is logged then.
        DataUnavailable: the data set is not there.
    """
    splits = load_splits(config.first.data)
    parents = load_parents(config, splits, run)
    shares = shares_of([parent.model for parent in parents], config.weights)
    device = resolve_device(config.device)
    for parent in parents:
        parent.model.to(device)
    inputs, labels = (drawn.to(device) for drawn in _drawn(config, splits))
    study = Study(config, splits, parents, shares, device, inputs, labels)
    fused = _fused(study)

    for parent in parents:
        study.score(parent.name, "parent", "", parent.model, 0.0)
    for made in fused:
        name = made.recipe.name
        for number, aligned in enumerate(made.aligned[1:], start=2):
            family = f"{name}/aligned" if len(parents) == 2 else f"{name}/aligned_{number}"
            study.score(family, "aligned", name, aligned, made.seconds)
        study.score(name, "fused", name, made.model, made.seconds)
        _log_layers(study, made)
        _curve(study, made)
    ensemble = Ensemble([parent.model for parent in parents], shares)
    study.score("ensemble", "ensemble", "", ensemble, 0.0)
    _refine(study, fused, ensemble, run)
    _measure(study, fused)
    for name, rows in study.tables.items():
        run.log_table(name, pd.DataFrame(rows))
    run.summarise(_summary(study))
    save(config, run, parents, [(made.recipe.name, made.model, made.alignments) for made in fused])


def _drawn(config: FusionConfig, splits: Splits) -> tuple[Tensor, Tensor]:
    number = min(config.num_inputs, len(splits.train))
    chosen = torch.randperm(len(splits.train), generator=torch_numbers(config.inputs_seed))[:number]
    return splits.train.images[chosen], splits.train.labels[chosen]


def _fused(study: Study) -> list[Fused]:
    """Every recipe, before anything is scored: a recipe that cannot be carried out ends the run at once."""
    structures: dict[bool, Structure] = {}
    matched: dict[tuple[str, bool], tuple[list[Alignment], float]] = {}
    found = []
    first, others = study.parents[0].model, [parent.model for parent in study.parents[1:]]
    for recipe in study.config.recipes:
        if recipe.fix_outputs not in structures:
            structures[recipe.fix_outputs] = structure_of(first, study.inputs[:1], fix_outputs=recipe.fix_outputs)
        structure = structures[recipe.fix_outputs]
        key = (recipe.method.config_id, recipe.fix_outputs)  # recipes may differ in what follows alone
        if key not in matched:
            start = time.perf_counter()
            tasks = [Task.of(first, other, study.inputs, study.labels, target=structure) for other in others]
            matched[key] = all_plans(tasks, recipe.method), time.perf_counter() - start
        alignments, matching_s = matched[key]
        start = time.perf_counter()
        pairs = zip(alignments, others, strict=True)
        aligned = [first, *(alignment.moved(first, other) for alignment, other in pairs)]
        model = merged(aligned, study.shares, structure, study.inputs, merge=recipe.merge, repair=recipe.repair)
        found.append(Fused(recipe, aligned, alignments, model, matching_s + time.perf_counter() - start))
    return found


def _log_layers(study: Study, made: Fused) -> None:
    for number, alignment in enumerate(made.alignments, start=2):
        for order, row in enumerate(alignment.rows()):
            study.add("layers", recipe=made.recipe.name, parent=number, order=order, **row)


def _curve(study: Study, made: Fused) -> None:
    """The line from the first parent to the second in its basis; merging and repair have no part in it."""
    if not study.config.curve_places or made.recipe.merge != "mean" or made.recipe.repair:
        return
    count = study.config.curve_places
    places = [step / (count - 1) for step in range(count)]
    losses: dict[tuple[str, str], list[float]] = {}
    for place, model in between(made.aligned[0], made.aligned[1], places):
        for split in CURVE_SPLITS:
            found = scored(model, getattr(study.splits, split), study.device)
            study.add("curve", recipe=made.recipe.name, place=place, split=split, **vars(found))
            losses.setdefault((split, "cross_entropy"), []).append(found.cross_entropy)
            losses.setdefault((split, "error"), []).append(1 - found.accuracy)
    for (split, metric), values in losses.items():
        study.add("barriers", recipe=made.recipe.name, split=split, metric=metric, barrier=barrier(places, values))


def _refine(study: Study, fused: list[Fused], ensemble: Ensemble, run: "Run") -> None:
    """Train the chosen networks on, on the labels or towards the ensemble."""
    for made in fused:
        if made.recipe.name not in study.config.refined:
            continue
        for stage, config in (("fine_tuned", study.config.fine_tune), ("distilled", study.config.distil)):
            if config is None:
                continue
            start = time.perf_counter()
            family = f"{made.recipe.name}/{stage}"
            with run.progress.stage(family) as on:
                refined = (
                    fine_tune(made.model, study.splits, config, stage=on)
                    if stage == "fine_tuned"
                    else distil(made.model, ensemble, study.splits, config, stage=on)
                )
            study.score(family, stage, made.recipe.name, refined.model, time.perf_counter() - start)
            for row in refined.rows:
                study.add("refining", family=family, **row)


def _measure(study: Study, fused: list[Fused]) -> None:
    """Input, parameter and prediction space, of the parents and the chosen recipes."""
    if study.config.metrics is None:
        return
    for subject in subjects(study.parents, fused, study.config.measured):
        for rows in ("metrics", "density"):
            find = metric_rows if rows == "metrics" else density_rows
            for row in find(subject, study.splits, study.config.metrics, study.device):
                study.add(rows, **row)


def _summary(study: Study) -> dict[str, float]:
    return {
        f"{row['family']}/{split}_accuracy": row["accuracy"]
        for row in study.tables["models"]
        for split in ("val", "test")
        if row["split"] == split
    }
