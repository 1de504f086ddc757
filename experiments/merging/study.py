"""The work of one merging run: fetch base and models, merge them by every recipe, score and log everything.

Tables: `models` (a row a network and split), `choices` (what a recipe chose on val), and where models were
fine-tuned on some of the classes `tasks` (a row a network, task and split).
Artifact: `merged`, the merged weights.
"""

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import nn

from experiments.merging.config import MergingConfig, Recipe
from experiments.merging.scenarios import Tasks
from framework.data.vision import ImageSet, Splits, load_splits
from framework.fusion import config as matching
from framework.fusion.ensemble import Ensemble
from framework.fusion.fusing import fuse
from framework.fusion.merging import combine
from framework.metrics.generalisation import score
from framework.models.base import Model
from framework.seeds import torch_numbers
from framework.training.checkpoints import load_model
from framework.training.classes import of_classes
from framework.training.evaluation import SPLITS
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run


@dataclass
class Study:
    """One run on its way.

    Attributes:
        models: The fine-tuned ones.
        whole: Images of the train split, drawn from all classes; `labels` are theirs, (N,).
        own: Of each model images of its own classes, with their labels.
        tables: Rows by the name of their table.
    """

    config: MergingConfig
    splits: Splits
    base: Model
    models: list[Model]
    device: torch.device
    whole: ImageSet
    own: list[ImageSet]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> None:
        """A row of a table."""
        self.tables.setdefault(table, []).append(values)

    def score(self, family: str, stage: str, recipe: str, module: nn.Module, seconds: float) -> None:
        """A row a split in the table `models`, and a row a task and split in `tasks`."""
        about = {"family": family, "stage": stage, "recipe": recipe}
        scenario = self.config.scenario
        tasks = dict.fromkeys(scenario.classes) if isinstance(scenario, Tasks) else {}
        for split in SPLITS:
            images = getattr(self.splits, split)
            found = score(module.to(self.device), images, self.device)
            self.add("models", **about, split=split, **vars(found), seconds=seconds)
            for classes in tasks:
                part = score(module, of_classes(images, classes, split), self.device)
                self.add("tasks", **about, split=split, task=" ".join(map(str, classes)), **vars(part))


def merging_study(config: MergingConfig, run: "Run") -> None:
    """Merge and log one point.

    Raises:
        ArtifactError: the base or a model cannot be had.
        InvalidInput: a recipe that cannot be carried out on them. Nothing is logged then.
        DataUnavailable: the data set is not there.
    """
    splits = load_splits(config.base.data)
    base = load_model(run.require("model", config.base), config.base)
    models = [load_model(run.require("fine_tuned", one), config.base) for one in config.fine_tuned]
    whole = _drawn(splits.train, config)
    own = [_drawn(of_classes(splits.train, one.classes, "train"), config) for one in config.fine_tuned]
    study = Study(config, splits, base, models, resolve_device(config.device), whole, own)
    merged = {recipe.name: _made(study, recipe) for recipe in config.recipes}

    study.score("base", "base", "", base, 0.0)
    for number, model in enumerate(models, start=1):
        study.score(f"parent_{number}", "parent", "", model, 0.0)
    for recipe in config.recipes:
        network, seconds = merged[recipe.name]
        stage = "fused" if recipe.method.kind in matching.CONFIGS else "merged"
        study.score(recipe.name, stage, recipe.name, network, seconds)
    study.score("ensemble", "ensemble", "", Ensemble(models, [1 / len(models)] * len(models)), 0.0)
    for name, rows in study.tables.items():
        run.log_table(name, pd.DataFrame(rows))
    run.summarise(_summary(study))
    _save(study, {name: model for name, (model, _) in merged.items()}, run)


def _drawn(images: ImageSet, config: MergingConfig) -> ImageSet:
    generator = torch_numbers(config.inputs_seed)
    chosen = torch.randperm(len(images), generator=generator)[: config.num_inputs]
    return ImageSet(images.images[chosen], images.labels[chosen], images.indices[chosen])


def _made(study: Study, recipe: Recipe) -> tuple[nn.Module, float]:
    """The network of a recipe, and the seconds that it took."""
    start = time.perf_counter()
    method = recipe.method
    models: list[nn.Module] = [model.to(study.device) for model in study.models]
    if method.kind in matching.CONFIGS:
        options = method.model_dump(exclude={"kind"})
        inputs, labels = study.whole.images, study.whole.labels
        fused = fuse(models, method.kind, inputs=inputs, labels=labels.to(study.device), **options)
        return fused, time.perf_counter() - start
    found = combine(
        models,
        study.base.to(study.device),
        method,
        inputs=[images.images for images in study.own],
        labels=[images.labels for images in study.own],
        val=(study.splits.val.images, study.splits.val.labels),
    )
    seconds = time.perf_counter() - start
    if found.chosen:
        kept = found.chosen.get("kept")
        study.add(
            "choices",
            recipe=recipe.name,
            scale=found.chosen.get("scale"),
            num_kept=None if kept is None else len(kept),
            kept=None if kept is None else " ".join(f"parent_{number + 1}" for number in kept),
            val_score=found.chosen.get("val_score"),
        )
    return found.model, seconds


def _save(study: Study, merged: dict[str, nn.Module], run: "Run") -> None:
    """Log the artifact: `<recipe>.safetensors`, and in `merging.json` what was chosen on val."""
    folder = run.folder / "merged"
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in merged.items():
        tensors = {key: tensor.cpu().contiguous() for key, tensor in model.state_dict().items()}
        save_file(tensors, folder / f"{name}.safetensors")
    told = {row["recipe"]: row for row in study.tables.get("choices", [])}
    (folder / "merging.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    run.log_artifact("merged", study.config, folder, metadata={"recipes": list(merged)})


def _summary(study: Study) -> dict[str, float]:
    return {
        f"{row['family']}/{row['split']}_accuracy": row["accuracy"]
        for row in study.tables["models"]
        if row["split"] in ("val", "test")
    }
