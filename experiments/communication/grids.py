"""The grids of the experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from experiments.communication.config import CommunicationConfig
from framework.grid import Axis, Grid, choice, maximize

Setting = Mapping[str, Any]

TRUNK_SEED = 1000
"""Seed of the trainings that classifiers of other seeds begin with."""


def classifiers(settings: Iterable[Setting], seeds: int) -> Iterator[Setting]:
    """Of each setting all pairs of its first `seeds` seeds."""
    for setting in settings:
        for first, second in itertools.combinations(range(seeds), 2):
            pair = {"first": {**setting, "seed": first}, "second": {**setting, "seed": second}}
            yield {"kind": "classifiers", **pair}


def encoders(settings: Iterable[Setting], seeds: int) -> Iterator[Setting]:
    """The same of encoders."""
    for setting in settings:
        for first, second in itertools.combinations(range(seeds), 2):
            pair = [{"encoder": {**setting, "seed": seed}} for seed in (first, second)]
            yield {"kind": "encoders", "first": pair[0], "second": pair[1]}


def subjects(*of: Iterator[Setting]) -> Axis:
    """A point a pair."""
    return choice("subject", list(itertools.chain(*of)))


def mlp(width: int, common: Setting, epochs: int, shared: int | None = None) -> Setting:
    """An MLP with two hidden layers. Of its epochs the first `shared` are one training, whatever the seed; with 0
    the first weights are the same, with None nothing is.
    """
    setting = {**common, "model": {"kind": "mlp", "hidden": [width, width], "bias": True}}
    if shared is None:
        return {**setting, "max_epochs": epochs}
    trunk = {**setting, "max_epochs": max(shared, 1), "seed": TRUNK_SEED}
    which = "last" if shared else "initial"
    start = {"kind": "from_other", "model": trunk, "which": which}
    return {**setting, "max_epochs": epochs - shared, "start": start}


SGD = {"kind": "sgd", "momentum": 0.9}
DIGITS: Setting = {"data": {"normalise": "standard"}, "optimizer": SGD, "learning_rate": 0.05}
FASHION: Setting = {**DIGITS, "data": {"name": "fashion_mnist", "normalise": "standard"}, "batch_size": 256}
ENCODER: Setting = {
    "backbone": {"kind": "cifar_resnet", "width": 0.125},
    "warmup_epochs": 1,
    "diagnostics_every": None,
}
WIDE = {"kind": "mlp", "hidden": [512], "output": 512}
METHODS: Sequence[Setting] = ({"kind": "simclr"}, {"kind": "barlow_twins", "projection": WIDE})


def dense(method: Setting) -> Setting:
    """An encoder without convolutions, on a tenth of Fashion-MNIST: a minute."""
    return {
        **ENCODER,
        "data": {"name": "fashion_mnist", "train_fraction": 0.1},
        "backbone": {"kind": "mlp", "hidden": [256, 64]},
        "method": method,
        "max_epochs": 20,
        "evaluate_every": 5,
    }


GRIDS = {
    # Minutes on two cores: classifiers on digits of three widths, of one of them also with the same first weights
    # and with the first epoch shared; encoders of two methods.
    "communication": Grid(
        CommunicationConfig,
        subjects(
            classifiers(
                [
                    *(mlp(width, DIGITS, 15) for width in (16, 32, 64)),
                    *(mlp(32, DIGITS, 15, shared) for shared in (0, 1)),
                ],
                6,
            ),
            encoders(
                [{**ENCODER, "method": method, "max_epochs": 20, "evaluate_every": 5} for method in METHODS], 4
            ),
        ),
        metric=maximize("accuracy_val"),
    ),
    # The same on real images, within an hour on two cores. Test has 10,000 images in place of 360, so that it can
    # tell accuracies and barriers of two pairs apart.
    "communication_fashion_mnist": Grid(
        CommunicationConfig,
        subjects(
            classifiers(
                [
                    *(mlp(width, FASHION, 8) for width in (32, 128)),
                    *(mlp(128, FASHION, 8, shared) for shared in (0, 1)),
                ],
                6,
            ),
            encoders([dense({"kind": "simclr"})], 4),
        ),
        base={"num_samples": 5000},
        metric=maximize("accuracy_val"),
    ),
}
