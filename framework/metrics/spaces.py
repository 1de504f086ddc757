"""Everything that is measured of one classifier, in input, parameter and prediction space, as rows of a table.

Hessian, sharpness and PAC-Bayes are measured on batches of train images that are drawn with the seed; the test
split is used for accuracy, loss and their gaps, and for nothing else.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from framework.data.vision import Splits
from framework.machine import device_here
from framework.metrics.bounds import farther
from framework.metrics.data_of import LOADED, Data, device_of, splits_of
from framework.metrics.hessian import Hessian
from framework.metrics.hessian_lanczos import Density
from framework.metrics.perturbation import flat, refuse_no_logits, steady
from framework.metrics.spaces_config import HessianConfig, MetricsConfig
from framework.metrics.spaces_rows import (
    Found,
    Subject,
    hessian_rows,
    lipschitz_rows,
    pac_bayes_rows,
    prediction_rows,
    sharpness_rows,
    train_batches,
)
from framework.models.refusals import refuse_wrapped
from framework.seeds import refuse_no_seed

Initial = nn.Module | Mapping[str, Tensor]
Space = Literal["input", "parameter", "prediction"]
Work = Callable[[], list[Found]]


class Measurement(NamedTuple):
    """One number of one network.

    Attributes:
        space: input, parameter or prediction.
        metric: Its name.
        split: The images that it is of: train, test, "train and test", or "none".
        value: The number; NaN where it is undefined.
        unit: What it is in.
        better: Whether less or more of it is better.
        seed: Of the batches, directions and perturbations.
        cost: What it took, and how sure it is, as words "name=value".
        sigma: Of sharpness and PAC-Bayes the size of the perturbation that the number comes from; else None.
        bracketed: Whether the search for sigma met its target. If not, sigma is an end of its range, and the
            number says no more than on which side of it the true one lies.
        moved: Of sharpness, how far the ascent came from its random start, as a share of the largest perturbation.
        seconds: Of the work that it comes from; rows of the same work have the same.
    """

    space: Space
    metric: str
    split: str
    value: float
    unit: str
    better: Literal["lower", "higher"]
    seed: int
    cost: str
    sigma: float | None
    bracketed: bool | None
    moved: float | None
    seconds: float


@torch.inference_mode(False)
def measure(
    model: nn.Module,
    data: Splits | Data,
    config: MetricsConfig | Mapping[str, Any] | None = None,
    *,
    test: Data | None = None,
    batches: int = LOADED,
    initial: Initial | Sequence[Initial] = (),
    seed: int | None = None,
    device: torch.device | str | None = None,
) -> list[Measurement]:
    """What `config` asks for of `model`, a row a number; `pandas.DataFrame` makes a table of them.

    The model itself is not touched.

    Args:
        model: Gives logits (N, K) of images (N, C, H, W), or whatever inputs the data has.
        data: Train images for everything, in any form that `data_of.images_of` takes; of splits the test images
            are used too, for accuracy, loss and gaps alone.
        config: What, and at which cost, or its fields by name; None measures everything, which for a large network
            takes long: sharpness and PAC-Bayes cost thousands of passes.
        test: Images of the test split, where `data` is no splits; without any the rows that need them are
            left out.
        batches: Of a loader, how many are read, in its order.
        initial: The weights that training began from; of a fused network those of each parent, of which the ones
            farther from `model` count. Without any, the measures that need them are left out.
        seed: In place of the config's.
        device: Where to compute; None: where the model is.

    Raises:
        InvalidInput: data that is none or that the model does not run on, other classes, weights or a loss that is
            not finite, initial weights of another architecture, a device that is not there, or no seed.
        ConfigError: fields that the config has not, or values that it cannot take.
    """
    refuse_wrapped({"model": model})
    config = config if isinstance(config, MetricsConfig) else MetricsConfig.parse(config or {})
    splits = splits_of(model, data, test, batches)
    device = device_of(model) if device is None else device_here(device)
    seed = config.seed if seed is None else seed
    refuse_no_seed(seed)
    subject = _subject(model, splits, config, initial, seed, device)
    return [row for space, work in _works(subject) for row in _timed(space, work, seed)]


def _subject(
    model: nn.Module,
    splits: Splits,
    config: MetricsConfig,
    initial: Initial | Sequence[Initial],
    seed: int,
    device: torch.device,
) -> Subject:
    """A copy of the model on the device, with its weights and the initial ones farthest from them."""
    measured = copy.deepcopy(model).to(device)
    _refuse_what_does_not_run(measured, splits, device)
    weights_P = flat(measured)
    starts = [initial] if isinstance(initial, nn.Module | Mapping) else initial
    initial_P = farther(weights_P, [flat(weights, like=model).to(weights_P) for weights in starts])
    return Subject(measured, splits, config, seed, device, weights_P, initial_P)


def _works(subject: Subject) -> list[tuple[Space, Work]]:
    """What the config asks for, each group of measures in its space, in the order of the rows."""
    config = subject.config
    works: list[tuple[Space, Work]] = []
    if config.lipschitz is not None:
        works.append(("input", partial(lipschitz_rows, subject, config.lipschitz)))
    if config.hessian is not None:
        works.append(("parameter", partial(hessian_rows, subject, config.hessian)))
    if config.sharpness is not None:
        works.append(("parameter", partial(sharpness_rows, subject, config.sharpness)))
    if config.pac_bayes is not None:
        works.append(("parameter", partial(pac_bayes_rows, subject, config.pac_bayes)))
    if config.prediction:
        works.append(("prediction", partial(prediction_rows, subject)))
    return works


def _timed(space: Space, work: Work, seed: int) -> Iterator[Measurement]:
    """The rows of one group of measures, with the seconds that it took."""
    start = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - start
    for metric, split, value, cost, sigma in found:
        size, bracketed, moved = (None,) * 3 if sigma is None else (sigma.value, sigma.bracketed, sigma.moved)
        about = (space, metric.name, split, value, metric.unit, metric.better, seed, cost)
        yield Measurement(*about, size, bracketed, moved, seconds)


def spectral_density(
    model: nn.Module,
    splits: Splits,
    config: HessianConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> Density:
    """How the eigenvalues of the Hessian are spread, on the batches on which `measure` takes its trace.

    Raises:
        InvalidInput: weights or a loss that are not finite, or a device that is not there.
    """
    device = device_here(device)
    batches = train_batches(splits.train, config, seed, device)
    with Hessian(copy.deepcopy(model).to(device), batches, config, seed=seed) as hessian:
        return hessian.density()


def _refuse_what_does_not_run(model: nn.Module, splits: Splits, device: torch.device | str) -> None:
    """Before anything is computed, which may take minutes."""
    with steady(model):
        for split in (splits.train, splits.test):
            if len(split):
                refuse_no_logits(model, split.images[:1].to(device), split.labels)
