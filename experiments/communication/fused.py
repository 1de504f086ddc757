"""What becomes of two classifiers when their weights are made one, and what lies on the way between them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from experiments.communication.config import Classifiers
from experiments.communication.names import SCORED
from framework.data.vision import Splits
from framework.fusion.alignment import all_plans
from framework.fusion.fusing import merged
from framework.fusion.interpolation import barrier, between
from framework.fusion.structure import structure_of
from framework.fusion.task import Task
from framework.metrics.generalisation import Score, score
from framework.models.base import Model

HALVES = [0.5, 0.5]


def fused_rows(
    subject: Classifiers, first: Model, second: Model, splits: Splits, drawn_S: Tensor, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Rows of the parents, of each fused network, and of the barriers before and after the alignment.

    `method` is the alignment's kind, or the parent; `metric` is accuracy and cross_entropy, in nats, of the
    network, and `barrier_cross_entropy` and `barrier_error` of the line from the first to the second. Batch
    normalisation is run anew for a fused network; on the line its statistics are averaged as weights are.

    `drawn_S` are positions (S,) in train of the images that alignments see.

    Raises:
        InvalidInput: an alignment that cannot be carried out.
    """
    inputs, labels = splits.train.images[drawn_S].to(device), splits.train.labels[drawn_S].to(device)
    first, second = first.to(device), second.to(device)
    for name, parent in (("first", first), ("second", second)):
        for split in SCORED:
            yield from _scores(name, split, score(parent, getattr(splits, split), device))
    structure = structure_of(first, inputs[:1])
    for config in subject.alignments:
        task = Task.of(first, second, inputs, labels, target=structure)
        (alignment,) = all_plans([task], config)
        aligned = alignment.moved(first, second)
        fused = merged([first, aligned], HALVES, structure, inputs)
        for split in SCORED:
            yield from _scores(config.kind, split, score(fused, getattr(splits, split), device))
        yield from _barriers(config.kind, first, aligned, subject.curve_places, splits, device)


def _barriers(
    method: str, first: nn.Module, aligned: nn.Module, count: int, splits: Splits, device: torch.device
) -> Iterator[dict[str, Any]]:
    places = [step / (count - 1) for step in range(count)]
    values: dict[tuple[str, str], list[float]] = {}
    for _, model in between(first, aligned, places):
        for split in SCORED:
            found = score(model, getattr(splits, split), device)
            values.setdefault((split, "barrier_cross_entropy"), []).append(found.cross_entropy)
            values.setdefault((split, "barrier_error"), []).append(1 - found.accuracy)
    for (split, metric), line in values.items():
        yield {"method": method, "split": split, "metric": metric, "value": barrier(places, line)}


def _scores(method: str, split: str, found: Score) -> Iterator[dict[str, Any]]:
    for metric, value in vars(found).items():
        yield {"method": method, "split": split, "metric": metric, "value": value}
