"""The groups of measures of one classifier, as the rows that they give; `spaces.measure` puts them together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from framework.data.vision import ImageSet, Splits
from framework.metrics.bounds import BOUND, Setting, bound
from framework.metrics.classification import ACCURACY, CROSS_ENTROPY
from framework.metrics.generalisation import CROSS_ENTROPY_GAP, GENERALISATION_GAP, INVERSE_GAP, gaps, score
from framework.metrics.hessian import TOP_EIGENVALUE, TRACE, Hessian
from framework.metrics.lipschitz import LIPSCHITZ, lipschitz_lower_estimate
from framework.metrics.metric import Metric
from framework.metrics.pac_bayes import PAC_BAYES, pac_bayes_measures
from framework.metrics.pac_bayes_search import pac_bayes_sigmas
from framework.metrics.perturbation import Batch, Sigma, generator
from framework.metrics.sharpness import SHARPNESS, sharpness_measures
from framework.metrics.sharpness_search import sharpness_sigmas
from framework.metrics.spaces_config import (
    HessianConfig,
    LipschitzConfig,
    MetricsConfig,
    PacBayesConfig,
    SharpnessConfig,
)

STREAM = 5  # of the random numbers: no other measure may draw the same
BOTH = "train and test"


class Found(NamedTuple):
    """One number, what it means, the split that it is of, what it took, and the size that it was found from."""

    metric: Metric
    split: str
    value: float
    cost: str
    sigma: Sigma | None = None


def train_batches(
    train: ImageSet,
    config: HessianConfig | SharpnessConfig | PacBayesConfig,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[Batch]:
    """Batches of different images, as many as the config asks for and the split has; on the device."""
    order = torch.randperm(len(train), generator=generator(seed, STREAM))
    positions = order[: config.batches * config.batch_size].split(config.batch_size)  # type: ignore[no-untyped-call]
    return [(train.images[chosen].to(device), train.labels[chosen].to(device)) for chosen in positions]


class Subject(NamedTuple):
    """The classifier, a copy on `device`, and what is known of it; weights and initial weights as vectors (P,)."""

    model: nn.Module
    splits: Splits
    config: MetricsConfig
    seed: int
    device: torch.device | str
    weights: Tensor
    initial: Tensor | None

    def setting(self) -> Setting:
        """What the complexity measures need beside weights."""
        return Setting(len(self.splits.train), self.config.delta, self.config.eps)


def lipschitz_rows(subject: Subject, config: LipschitzConfig) -> list[Found]:
    """The lower estimate of the Lipschitz constant, at the origin and at train images."""
    train = subject.splits.train
    shape = tuple(train.images.shape[1:])
    points = torch.zeros(1, *shape)
    if config.points:
        order = torch.randperm(len(train), generator=generator(subject.seed, STREAM, 1))
        points = torch.cat([points, train.images[order[: config.points]]])
    found = lipschitz_lower_estimate(subject.model, shape, config, seed=subject.seed, points_QCHW=points)
    cost = f"points={len(points)} iterations={found.iterations} converged={_word(found.converged)}"
    return [Found(LIPSCHITZ, "train" if config.points else "none", found.value, cost)]


def hessian_rows(subject: Subject, config: HessianConfig) -> list[Found]:
    """Top eigenvalue and trace."""
    batches = train_batches(subject.splits.train, config, subject.seed, subject.device)
    with Hessian(subject.model, batches, config, seed=subject.seed) as hessian:
        top, trace = hessian.top_eigenvalue(), hessian.trace()
    images = _images(batches)
    steps = f"{images} steps={top.steps} error={top.error:.2g} converged={_word(top.converged)}"
    probes = f"{images} probes={trace.probes} standard_error={trace.standard_error:.2g}"
    return [Found(TOP_EIGENVALUE, "train", top.value, steps), Found(TRACE, "train", trace.value, probes)]


def sharpness_rows(subject: Subject, config: SharpnessConfig) -> list[Found]:
    """The six worst-case measures that there are initial weights for, and their bounds."""
    batches = train_batches(subject.splits.train, config, subject.seed, subject.device)
    wanted = subject.config
    sigmas = sharpness_sigmas(
        subject.model, batches, config, seed=subject.seed, target=wanted.target_deviation, eps=wanted.eps
    )
    values = sharpness_measures(subject.weights, subject.initial, sigmas, subject.setting())
    cost = (
        f"{_images(batches)} restarts={config.restarts} ascent_steps={config.ascent_steps} step={config.step.kind}"
    )
    return _six(SHARPNESS, values, sigmas, subject.setting(), cost)


def pac_bayes_rows(subject: Subject, config: PacBayesConfig) -> list[Found]:
    """The six PAC-Bayes measures that there are initial weights for, and their bounds."""
    batches = train_batches(subject.splits.train, config, subject.seed, subject.device)
    wanted = subject.config
    sigmas = pac_bayes_sigmas(
        subject.model, batches, config, seed=subject.seed, target=wanted.target_deviation, eps=wanted.eps
    )
    values = pac_bayes_measures(subject.weights, subject.initial, sigmas, subject.setting())
    return _six(PAC_BAYES, values, sigmas, subject.setting(), f"{_images(batches)} draws={config.draws}")


def _six(
    metrics: Mapping[str, Metric],
    values: Mapping[str, float | None],
    sigmas: tuple[Sigma, Sigma],
    setting: Setting,
    cost: str,
) -> list[Found]:
    """The measures that there are, and the bound that each gives which is no mere 1/σ²."""
    rows = []
    for name, value in values.items():
        if value is None:
            continue
        sigma = sigmas["_mag_" in name]
        taken = f"{cost} evaluations={sigma.evaluations}"
        rows.append(Found(metrics[name], "train", value, taken, sigma))
        if name.endswith(("_init", "_orig")):
            metric = Metric(f"{name}_bound", BOUND.unit, BOUND.better, BOUND.reduction)
            rows.append(Found(metric, "train", bound(value, setting), taken, sigma))
    return rows


def prediction_rows(subject: Subject) -> list[Found]:
    """Accuracy and loss on both splits, and what lies between; on train images alone where there are no others."""
    splits = subject.splits
    train = score(subject.model, splits.train, subject.device)
    of_train = [
        Found(_of_train(ACCURACY), "train", train.accuracy, f"images={len(splits.train)}"),
        Found(_of_train(CROSS_ENTROPY), "train", train.cross_entropy, f"images={len(splits.train)}"),
    ]
    if not len(splits.test):
        return of_train
    test = score(subject.model, splits.test, subject.device)
    between = gaps(train, test)
    of_test = f"images={len(splits.test)}"
    both = f"images={len(splits.train) + len(splits.test)}"
    return [
        Found(ACCURACY, "test", test.accuracy, of_test),
        Found(CROSS_ENTROPY, "test", test.cross_entropy, of_test),
        *of_train,
        Found(GENERALISATION_GAP, BOTH, between.generalisation_gap, both),
        Found(CROSS_ENTROPY_GAP, BOTH, between.cross_entropy_gap, both),
        Found(INVERSE_GAP, BOTH, between.inverse_gap, both),
    ]


def _of_train(metric: Metric) -> Metric:
    """Under a name of its own: a table of metrics has one value of each name for a network."""
    return Metric(f"train_{metric.name}", metric.unit, metric.better, metric.reduction)


def _images(batches: Sequence[Batch]) -> str:
    return f"batches={len(batches)} images={sum(len(labels) for _, labels in batches)}"


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
