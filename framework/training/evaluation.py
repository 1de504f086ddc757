"""What a trained model makes of every image of its data, computed once and kept with its weights.

Whatever compares models later (stitching, sampling by error) reads latents and errors from here, so that each
model encodes each image once, however many grid points use it.

Shapes: N images, C channels, H x W pixels, D latent dimensions, K classes.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from framework.data.vision import Splits
from framework.errors import ArtifactError
from framework.metrics.classification import cross_entropy_per_image
from framework.metrics.reconstruction import mse_per_image
from framework.models.base import Model

FILE = "evaluation.safetensors"
SPLITS = ("train", "val", "test")
BATCH = 512


@dataclass(frozen=True)
class Evaluation:
    """By split, what the model makes of each image.

    Attributes:
        latents: (N, D).
        errors: (N,): of autoencoders the mean squared error, in intensity squared on [0, 1]; of classifiers the
            cross-entropy, in nats.
        predictions: (N,) int64: of classifiers the class with the largest logit; of autoencoders nothing.
    """

    latents: dict[str, Tensor]
    errors: dict[str, Tensor]
    predictions: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; the mode that the module was in comes back afterwards."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def evaluate(model: Model, splits: Splits, device: torch.device) -> Evaluation:
    """Encode and decode all three splits on `device`, where `model` is left; the results lie on the CPU."""
    model.to(device)
    found: dict[str, dict[str, Tensor]] = {"latents": {}, "errors": {}, "predictions": {}}
    scale_C = splits.pixel_scale.to(device)
    with evaluating(model):
        for split in SPLITS:
            pieces = defaultdict(list)
            data = getattr(splits, split)
            for images, labels in zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True):
                for name, values in _evaluated(model, images.to(device), labels.to(device), scale_C).items():
                    pieces[name].append(values.cpu())
            for name, parts in pieces.items():
                found[name][split] = torch.cat(parts)
    return Evaluation(**found)


def _evaluated(model: Model, images_NCHW: Tensor, labels_N: Tensor, pixel_scale_C: Tensor) -> dict[str, Tensor]:
    latents_ND = model.encode(images_NCHW)
    outputs = model.decode(latents_ND)
    if model.task == "reconstruction":
        return {"latents": latents_ND, "errors": mse_per_image(outputs, images_NCHW, pixel_scale_C)}
    errors_N = cross_entropy_per_image(outputs, labels_N)
    return {"latents": latents_ND, "errors": errors_N, "predictions": outputs.argmax(dim=1)}


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation` into the artifact folder of its model."""
    tensors = {f"{name}.{split}": tensor for name, by in vars(evaluation).items() for split, tensor in by.items()}
    save_file(tensors, folder / FILE)


def load_evaluation(folder: Path) -> Evaluation:
    """The evaluation in the artifact folder of a model.

    Raises:
        ArtifactError: the folder holds none.
    """
    try:
        tensors = load_file(folder / FILE)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no {FILE}: it is no artifact of a trained model") from error
    found: dict[str, dict[str, Tensor]] = {"latents": {}, "errors": {}, "predictions": {}}
    for key, tensor in tensors.items():
        name, split = key.split(".")
        found[name][split] = tensor
    return Evaluation(**found)
