"""Whether an encoder's linear probe reads another encoder's features once these are mapped.

Shapes: N images, D features, K classes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from experiments.communication.maps import fit_all
from experiments.communication.names import FEATURES, SCORED, SOURCE, TARGET, UNMAPPED
from framework.data.vision import Splits
from framework.mappings.config import MappingConfig
from framework.metrics.classification import accuracy, cross_entropy_per_image
from framework.metrics.unexplained import UNEXPLAINED
from framework.ssl.probed.artifact import load_probed
from framework.ssl.probed.config import ProbeConfig
from framework.ssl.probed.model import ProbedEncoder
from framework.training.evaluation import load_evaluation


class Side(NamedTuple):
    """An encoder with its own probe, and its features (N, D) of each split."""

    model: ProbedEncoder
    latents: dict[str, Tensor]


def load_side(folder: Path, encoder: Path, config: ProbeConfig) -> Side:
    """From the artifact folders of a probe and of its encoder.

    Raises:
        ArtifactError: a folder lacks the files, or holds something else than `config` says.
    """
    return Side(load_probed(folder, encoder, config), load_evaluation(folder).latents)


def carried_rows(
    source: Side, target: Side, splits: Splits, configs: Sequence[MappingConfig], drawn_S: Tensor, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of what the target's probe makes of the source's features, mapped and as they are.

    `method` is a map, the same `_shuffled`, `unmapped`, `source` or `target` (each probe on its own features);
    `metric` is accuracy, cross_entropy in nats, and of maps the variance that they leave unexplained.

    Raises:
        InvalidInput: features that cannot be mapped.
    """
    for name, reader, latents in (
        (SOURCE, source.model, source.latents),
        (TARGET, target.model, target.latents),
        (UNMAPPED, target.model, source.latents),
    ):
        for split in SCORED:
            yield from _read(name, reader, latents[split], splits, split)
    for fitted in fit_all(source.latents, target.latents, configs, drawn_S, seed, FEATURES):
        for split, error in fitted.errors.items():
            about = {"method": fitted.label, "split": split, "ridge": fitted.ridge}
            yield {**about, "metric": UNEXPLAINED.name, "value": error}
            yield from _read(fitted.label, target.model, fitted.map(source.latents[split]), splits, split)


def _read(
    method: str, reader: ProbedEncoder, latents_ND: Tensor, splits: Splits, split: str
) -> Iterator[dict[str, Any]]:
    labels_N = getattr(splits, split).labels
    with torch.no_grad():
        logits_NK = reader.decode(latents_ND)
    found = {
        "accuracy": accuracy(logits_NK.argmax(dim=1), labels_N),
        "cross_entropy": float(cross_entropy_per_image(logits_NK, labels_N).double().mean()),
    }
    for metric, value in found.items():
        yield {"method": method, "split": split, "metric": metric, "value": value}
