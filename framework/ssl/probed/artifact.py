"""The files of a probe on an encoder: fitted once, with what the two make of every image.

probe.json                  the encoder's config_id and weights, sizes, and how the fit went
head.safetensors            weight (K, D), bias (K,), mean (D,) and std (D,)
evaluation.safetensors      features, cross-entropies in nats and predicted classes on every split

Shapes: N images, D features, K classes.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file
from torch import Tensor

from framework.data.facts import facts_of
from framework.data.vision import load_splits
from framework.errors import ArtifactError
from framework.metrics.classification import accuracy, cross_entropy_per_image
from framework.ssl.evaluation.features import Features, features_of
from framework.ssl.evaluation.probe import Probe, fit_probe
from framework.ssl.probed.config import ProbeConfig
from framework.ssl.probed.model import ProbedEncoder, ProbeHead, head_of
from framework.ssl.training.artifact import load_encoder
from framework.training.evaluation import SPLITS, Evaluation, evaluating, save_evaluation
from framework.training.trainer import resolve_device

if TYPE_CHECKING:
    from framework.tracking.run import Run

ARTIFACT = "probe"
DESCRIPTION, HEAD = "probe.json", "head.safetensors"


def make_probe(config: ProbeConfig, run: "Run") -> None:
    """Fit a probe to the features of train, its penalty chosen on val, and log the artifact `probe`.

    Warns:
        NotConverged: the probe is not at its minimum.

    Raises:
        ArtifactError: the encoder cannot be had.
        InvalidInput: it gives NaN or infinite features.
        DataUnavailable: the data set is not there.
    """
    method = load_encoder(run.require("encoder", config.encoder), config.encoder, config.weights)
    splits, device = load_splits(config.data), resolve_device(config.device)
    images = {split: getattr(splits, split) for split in SPLITS}
    latents = {split: features_of(method, of.images, device=device).float() for split, of in images.items()}
    train, val = (Features(latents[split], images[split].labels) for split in ("train", "val"))
    probe = fit_probe(train, val, splits.num_classes)
    evaluation = _evaluated(head_of(probe), latents, {split: of.labels for split, of in images.items()})
    folder = run.folder / ARTIFACT
    folder.mkdir()
    _save(probe, config, folder)
    save_evaluation(evaluation, folder)
    summary: dict[str, float] = {
        f"{split}/accuracy": accuracy(predictions, images[split].labels)
        for split, predictions in evaluation.predictions.items()
    }
    summary |= {"l2": probe.l2, "converged": probe.converged}
    run.summarise(summary)
    run.log_artifact(ARTIFACT, config, folder, metadata=summary)


def load_probed(folder: Path, encoder: Path, config: ProbeConfig) -> ProbedEncoder:
    """The classifier of `config`, from the artifact folders of its probe and of its encoder, on the CPU.

    Raises:
        ArtifactError: a folder lacks the files, or holds another encoder than `config` says.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        numbers = load_file(folder / HEAD)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no {DESCRIPTION} and {HEAD}: it is no artifact of a probe") from error
    asked = {"encoder": config.encoder.config_id, "weights": config.weights}
    given = {name: description.get(name) for name in asked}
    if given != asked:
        raise ArtifactError(f"{folder} holds a probe of {given}, not of {asked}")
    method = load_encoder(encoder, config.encoder, config.weights)
    classes, features = numbers["weight"].shape
    head = ProbeHead(features, classes)
    head.load_state_dict(numbers)
    return ProbedEncoder(method, head, facts_of(config.data).shape)


def _evaluated(head: ProbeHead, latents: dict[str, Tensor], labels: dict[str, Tensor]) -> Evaluation:
    with evaluating(head):
        logits = {split: head(latents_ND) for split, latents_ND in latents.items()}
    return Evaluation(
        latents=latents,
        errors={split: cross_entropy_per_image(logits_NK, labels[split]) for split, logits_NK in logits.items()},
        predictions={split: logits_NK.argmax(dim=1) for split, logits_NK in logits.items()},
    )


def _save(probe: Probe, config: ProbeConfig, folder: Path) -> None:
    """Write head and description."""
    save_file(head_of(probe).state_dict(), folder / HEAD)
    classes, features = probe.weight.shape
    description = {
        "encoder": config.encoder.config_id,
        "weights": config.weights,
        "num_features": features,
        "num_classes": classes,
        "l2": probe.l2,
        "gradient": probe.gradient,
        "iterations": probe.iterations,
        "converged": probe.converged,
        "accuracy_val": {f"{l2:g}": value for l2, value in probe.tried.items()},
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
