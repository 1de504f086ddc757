"""The work of one run: fetch the encoder, evaluate it beside its baselines, and log everything.

Tables: `scores` (a row a model, evaluation, data set, split, metric and number of classes named), `confusion` (a
row a model, class and predicted class, of the linear probe on test), `diagnoses` (a row a measure), `neighbours`
(a row a query and neighbour). Figure: `neighbours`.

All is fitted on train and chosen on val; the bank of the neighbours is train. Baselines see the same images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn

from experiments.ssl.config import SSLConfig
from framework.data.vision import load_pixels, load_splits
from framework.ssl.evaluation.baselines import Baseline, baselines
from framework.ssl.evaluation.features import Features, features_of
from framework.ssl.evaluation.finetune import fine_tune
from framework.ssl.evaluation.knn import knn_scores
from framework.ssl.evaluation.neighbours import gallery_figure, neighbours
from framework.ssl.evaluation.probe import fit_probe
from framework.ssl.evaluation.scores import confusion, score
from framework.ssl.evaluation.tasks import Task, task_of
from framework.ssl.method import Method
from framework.ssl.training.artifact import load_encoder
from framework.ssl.training.diagnoses import chosen, diagnose, views_for
from framework.ssl.training.plain import distorter_of
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

SPLITS = ("val", "test")
ENCODER = "encoder"


@dataclass
class Study:
    """One run on its way: rows by the name of their table."""

    config: SSLConfig
    device: torch.device
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> None:
        """A row of a table."""
        self.tables.setdefault(table, []).append(values)

    def scored(self, about: dict[str, Any], task: Task, scores: dict[str, Tensor], note: str) -> None:
        """Rows of `scores` for the class scores (N, C) of each split."""
        for split, scores_NC in scores.items():
            images = getattr(task, split)
            for metric in self.config.metrics:
                averaged = self.config.average if metric in ("precision", "recall") else ""
                for top_k in self.config.top_k:
                    value = score(scores_NC, images.labels, metric, top_k=top_k, average=self.config.average)
                    told = {"metric": metric, "top_k": top_k, "average": averaged, "value": value}
                    self.add("scores", **about, split=split, **told, n=len(images), note=note)


def ssl_study(config: SSLConfig, run: "Run") -> None:
    """Evaluate and log one point.

    Raises:
        ArtifactError: the encoder cannot be had.
        InvalidInput: it gives NaN or infinite features.
        DataUnavailable: a data set is not there.
        TrainingDiverged: the loss of fine-tuning became NaN or infinite.
    """
    method = load_encoder(run.require("encoder", config.encoder), config.encoder, config.weights)
    study = Study(config, resolve_device(config.device))
    task = task_of(load_splits(config.encoder.data))
    others = [task_of(load_splits(config.transfer))] if config.transfer else []
    for case in _cases(config, method):
        about = {"model": case.kind, "dataset": task.name}
        if case.model is None:
            study.add("scores", **about, evaluation="linear", split="test", metric="accuracy", top_k=1, average="",
                      value=float("nan"), n=0, note=case.missing)  # fmt: skip
            continue
        features = _evaluated(study, case.model, task, about)
        for other in others:
            _evaluated(study, case.model, other, {"model": case.kind, "dataset": other.name})
        if case.kind == ENCODER:
            _show_neighbours(study, features, task, run)
    _diagnose(study, method)
    for name, rows in study.tables.items():
        run.log_table(name, pd.DataFrame(rows))
    run.summarise(_summary(study, task))


def _cases(config: SSLConfig, method: Method) -> list[Baseline]:
    """The encoder, and its backbone with random and with pretrained weights."""
    own = Baseline(config.encoder.method.kind, ENCODER, config.encoder.seed, method)
    if not config.baselines:
        return [own]
    return [own, *baselines(config.encoder.backbone, config.encoder.shape, (config.encoder.seed,))]


def _evaluated(study: Study, model: nn.Module, task: Task, about: dict[str, Any]) -> dict[str, Features]:
    """A linear probe, neighbours and, where it is asked for, fine-tuning; the features of each split."""
    config, features = study.config, {}
    for split in ("train", *SPLITS):
        part = getattr(task, split)
        found = features_of(model, part.images, device=study.device)
        features[split] = Features(found, part.labels, part.indices)
    probe = fit_probe(features["train"], features["val"], task.num_classes)
    linear = {split: probe.scores(features[split].features) for split in SPLITS}
    note = f"l2 = {probe.l2:g} chosen on val" + ("" if probe.converged else ", not converged")
    study.scored({**about, "evaluation": "linear"}, task, linear, note)
    for (true, predicted), share in _cells(linear["test"], task.test.labels):
        study.add("confusion", **about, true=true, predicted=predicted, share=share)
    votes = {split: _votes(config, features, split, task) for split in SPLITS}
    study.scored({**about, "evaluation": "knn"}, task, votes, f"k = {config.neighbours}, bank train")
    if config.fine_tune_epochs:
        epochs, seed = config.fine_tune_epochs, config.encoder.seed
        tuned = fine_tune(model, task.train, task.num_classes, epochs=epochs, seed=seed, device=study.device)
        logits = {split: features_of(tuned, getattr(task, split).images) for split in SPLITS}
        study.scored({**about, "evaluation": "fine_tune"}, task, logits, f"{epochs} epochs")
    return features


def _votes(config: SSLConfig, features: dict[str, Features], split: str, task: Task) -> Tensor:
    bank, queries = features["train"], features[split]
    known = task.one_origin or split == "val"
    return knn_scores(
        queries.features,
        bank.features,
        bank.labels,
        task.num_classes,
        k=config.neighbours,
        temperature=config.temperature,
        indices_Q=queries.indices if known else None,
        indices_N=bank.indices if known else None,
    )


def _cells(scores_NC: Tensor, labels_N: Tensor) -> list[tuple[tuple[int, int], float]]:
    matrix = confusion(scores_NC, labels_N)
    return [
        ((row, column), float(share)) for row, shares in enumerate(matrix) for column, share in enumerate(shares)
    ]


def _show_neighbours(study: Study, features: dict[str, Features], task: Task, run: "Run") -> None:
    """The nearest train images of a few test images, spread over the split."""
    count = min(study.config.gallery, len(task.test))
    if not count:
        return
    places = torch.linspace(0, len(task.test) - 1, count).long()
    test, bank = features["test"], features["train"]
    queries = Features(test.features[places], test.labels[places])
    gallery = neighbours(queries, Features(bank.features, bank.labels))
    splits = load_splits(study.config.encoder.data)
    images = (splits.unit(task.test.images[places]), splits.unit(task.train.images))
    run.log_figure("neighbours", gallery_figure(gallery, *images))
    run.log_table("neighbours", gallery.frame())


def _diagnose(study: Study, method: Method) -> None:
    """All diagnostics of the encoder, on views of val images."""
    encoder = study.config.encoder
    splits = load_pixels(encoder.data)
    images = chosen(splits.val.images, encoder.diagnostics_images, encoder.data.split_seed)
    views = views_for(images, distorter_of(encoder, splits), encoder.data.split_seed)
    for name, value in diagnose(method.to(study.device), views).items():
        place, _, measure = name.partition("/")
        study.add("diagnoses", place=place, measure=measure, value=value, n=len(images))


def _summary(study: Study, task: Task) -> dict[str, float]:
    """Top-1 accuracies, of the encoder by evaluation and split."""
    return {
        f"{row['split']}/{row['evaluation']}_accuracy": row["value"]
        for row in study.tables["scores"]
        if (row["model"], row["metric"], row["top_k"]) == (ENCODER, "accuracy", 1) and row["dataset"] == task.name
    }
