"""What a trained autoencoder makes of every image of its data, computed once and kept with its weights.

Whatever compares models later (stitching, sampling by error) reads latents and errors from here, so that each
model encodes each image once, however many grid points use it.

Shapes: N images, C channels, H = W pixels a side, D latent dimensions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from framework.data.vision import Splits
from framework.errors import ArtifactError
from framework.metrics.reconstruction import mse_per_image
from framework.models.autoencoder import Autoencoder

FILE = "evaluation.safetensors"
SPLITS = ("train", "val", "test")
BATCH = 512


@dataclass(frozen=True)
class Evaluation:
    """By split: latents (N, D), and mse of each image's reconstruction, (N,), in intensity squared on [0, 1]."""

    latents: dict[str, Tensor]
    errors: dict[str, Tensor]


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


def evaluate(model: Autoencoder, splits: Splits, device: torch.device) -> Evaluation:
    """Encode and reconstruct all three splits on `device`; the results lie on the CPU."""
    model.to(device)
    latents, errors = {}, {}
    scale_C = splits.pixel_scale.to(device)
    with evaluating(model):
        for name in SPLITS:
            pieces = []
            for piece in getattr(splits, name).images.split(BATCH):
                images_NCHW = piece.to(device)
                latents_ND = model.encode(images_NCHW)
                errors_N = mse_per_image(model.decode(latents_ND), images_NCHW, scale_C)
                pieces.append((latents_ND.cpu(), errors_N.cpu()))
            latents[name] = torch.cat([z for z, _ in pieces])
            errors[name] = torch.cat([e for _, e in pieces])
    return Evaluation(latents, errors)


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation` into the artifact folder of its model."""
    tensors = {f"latents.{name}": z for name, z in evaluation.latents.items()}
    tensors |= {f"errors.{name}": e for name, e in evaluation.errors.items()}
    save_file(tensors, folder / FILE)


def load_evaluation(folder: Path) -> Evaluation:
    """The evaluation in the artifact folder of a model.

    Raises:
        ArtifactError: the folder holds none.
    """
    try:
        tensors = load_file(folder / FILE)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} holds no {FILE}: it is no artifact of a trained autoencoder") from error
    return Evaluation(
        {name: tensors[f"latents.{name}"] for name in SPLITS},
        {name: tensors[f"errors.{name}"] for name in SPLITS},
    )
