"""The curvature of a classifier's loss in one line: `hessian_trace(model, data)`, `top_eigenvalue(model, data)`.

The loss is the mean cross-entropy per sample on the data, the model is in eval mode and is left as it was. What is
found, and how, is in `hessian_lanczos` and `hessian_curvature`; several numbers of one model are found together,
at less cost, by `hessian.Hessian`.
"""

from typing import Any

import torch
from torch import nn

from framework.data.vision import ImageSet, Splits
from framework.metrics.data_of import Data, batches_of, device_of, images_of, is_loader
from framework.metrics.hessian import Hessian
from framework.metrics.hessian_curvature import Trace
from framework.metrics.hessian_lanczos import TopEigenvalue
from framework.metrics.perturbation import Batch
from framework.metrics.spaces_config import HessianConfig
from framework.metrics.spaces_rows import train_batches
from framework.models.refusals import refuse_wrapped


def hessian_trace(
    model: nn.Module,
    data: Splits | Data,
    *,
    batches: int = 10,
    batch_size: int = 64,
    seed: int = 0,
    **exactness: Any,
) -> Trace:
    """The sum of the eigenvalues of the Hessian; `float(…)` is the number, beside its standard error.

    Args:
        model: Gives logits (N, K); computed where it is.
        data: Any form that `data_of` tells. The batches of a loader are used as they come; of all else,
            batches are drawn without repetition.
        batches: How many.
        batch_size: Samples of a batch that is drawn.
        seed: Of what is drawn.
        **exactness: `trace_probes` and `trace_tolerance` of `HessianConfig`.

    Raises:
        InvalidInput: data in none of the forms, or weights or a loss that are not finite.
        ConfigError: an option that there is not, or a value that it cannot take.
    """
    config = _config(batches, batch_size, exactness)
    with (
        torch.inference_mode(False),
        Hessian(model, _batches(model, data, config, seed), config, seed=seed) as hessian,
    ):
        return hessian.trace()


def top_eigenvalue(
    model: nn.Module,
    data: Splits | Data,
    *,
    batches: int = 10,
    batch_size: int = 64,
    seed: int = 0,
    **exactness: Any,
) -> TopEigenvalue:
    """The largest eigenvalue of the Hessian; `float(…)` is the number, beside how far it may be off.

    The arguments and errors are those of `hessian_trace`, the exactness is `lanczos_steps` and
    `eigenvalue_tolerance` of `HessianConfig`.
    """
    config = _config(batches, batch_size, exactness)
    with (
        torch.inference_mode(False),
        Hessian(model, _batches(model, data, config, seed), config, seed=seed) as hessian,
    ):
        return hessian.top_eigenvalue()


def _config(batches: int, batch_size: int, exactness: dict[str, Any]) -> HessianConfig:
    return HessianConfig.parse({"batches": batches, "batch_size": batch_size, **exactness})


def _batches(model: nn.Module, data: Splits | Data, config: HessianConfig, seed: int) -> list[Batch]:
    refuse_wrapped({"model": model})
    device = device_of(model)
    if isinstance(data, Splits):
        data = data.train
    if is_loader(data):
        found = batches_of(model, data, config.batches)
        return [(inputs.to(device), labels.to(device)) for inputs, labels in found]
    needed = -(-config.batches * config.batch_size // 64)  # of a data set, so many batches hold what is drawn
    images: ImageSet = images_of(model, data, needed)
    return train_batches(images, config, seed, device)
