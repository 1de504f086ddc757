"""The grids of the fusion experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.fusion.config import FusionConfig
from framework.grid import Axis, Grid, maximize, zipped

Model = Mapping[str, Any]


def pairs(of: Iterable[tuple[Model, int]], *chance: str) -> Axis:
    """Parents that differ in their seed alone: of every model as many pairs as stand beside it, of seeds (0, 1),
    (2, 3), …

    The seeds named in `chance`, by their dotted names, are drawn anew with every pair, so that the spread over the
    pairs holds theirs.
    """
    drawn = [(model, number) for model, count in of for number in range(count)]
    values: dict[str, list[Any]] = {
        "first": [{**model, "seed": 2 * number} for model, number in drawn],
        "second": [{**model, "seed": 2 * number + 1} for model, number in drawn],
    }
    numbers = [number for _, number in drawn]
    return zipped({**values, **dict.fromkeys(("inputs_seed", *chance), numbers)})


def groups(model: Model, count: int, size: int) -> Axis:
    """Groups of `size` parents that differ in their seed alone; no seed stands twice."""
    of = [[{**model, "seed": size * number + place} for place in range(size)] for number in range(count)]
    return zipped(
        {
            "first": [first for first, *_ in of],
            "second": [second for _, second, *_ in of],
            "more": [more for _, _, *more in of],
            "inputs_seed": list(range(count)),
        }
    )


SGD = {"kind": "sgd", "momentum": 0.9}
MLP = {
    "data": {"normalise": "standard"},
    "model": {"kind": "mlp", "hidden": [400, 200, 100], "bias": False},
    "optimizer": SGD,
    "learning_rate": 0.02,
    "max_epochs": 15,
}
NARROW: Model = {**MLP, "model": {"kind": "mlp", "hidden": [64, 64, 64], "bias": False}, "max_epochs": 5}
PLAIN = {"batch_norm": False, "bias": False}


def fashion_models() -> list[tuple[Model, int]]:
    """VGG11 and ResNet18 of an eighth of the width, plain, and the ResNet with batch normalisation, each with its
    number of pairs, and for as many epochs as it takes to reach 88 %.
    """
    common = {
        "data": {"name": "fashion_mnist", "normalise": "standard"},
        "optimizer": SGD,
        "schedule": "cosine",
    }
    resnet = {"kind": "cifar_resnet", "width": 0.125}
    return [
        ({**common, "model": {"kind": "vgg", "width": 0.125, **PLAIN}, "learning_rate": 0.05, "max_epochs": 8}, 5),
        ({**common, "model": {**resnet, **PLAIN}, "learning_rate": 0.05, "max_epochs": 6}, 3),
        ({**common, "model": {**resnet, "batch_norm": True}, "learning_rate": 0.1, "max_epochs": 3}, 3),
    ]


def cifar_models(*data: str) -> list[Model]:
    """VGG11 and ResNet18 of full width, without bias and batch normalisation, as in the study.

    Without augmentation neither comes to 88 % on CIFAR-10; the first epochs rise slowly, since nothing normalises.
    """
    return [
        {
            "data": {"name": name, "normalise": "standard"},
            "model": {"kind": kind, **PLAIN},
            "optimizer": SGD,
            "learning_rate": 0.05,
            "weight_decay": 5e-4,
            "batch_size": 128,
            "schedule": "cosine",
            "warmup_epochs": 1,
            "max_epochs": 20,
            "augment": "flip_crop",
            "trainer": {"precision": "bf16-mixed"},
        }
        for name in data
        for kind in ("vgg", "cifar_resnet")
    ]


REFINE = {"epochs": 2, "learning_rate": 0.01, "optimizer": SGD}
COSTS = {
    "lipschitz": {"max_iterations": 100},
    "hessian": {"batches": 2, "density_draws": 1, "density_steps": 30},
    "sharpness": {"restarts": 2, "ascent_steps": 10, "batches": 2, "depth": 12},
    "pac_bayes": {"draws": 8, "batches": 2, "depth": 12},
}

FINISHED: Mapping[str, Model] = {"": {}, "+repair": {"repair": True}, "+regression": {"merge": "regression"}}


def finished(*kinds: str) -> list[Model]:
    """Every way to match, averaged, repaired and refitted."""
    return [
        {"name": f"{kind}{end}", "method": {"kind": kind}, **options}
        for end, options in FINISHED.items()
        for kind in kinds
    ]


GRIDS = {
    # Minutes on a laptop: three pairs of parents, fused by every recipe, fine-tuned and distilled.
    "fusion": Grid(
        FusionConfig,
        pairs([(MLP, 3)]),
        base={"data": "mnist_or_digits", "fine_tune": REFINE, "distil": REFINE},
        metric=maximize("ot/val_accuracy"),
    ),
    # Three groups of four, matched to the first or all to one another: minutes on a laptop.
    "fusion_many": Grid(
        FusionConfig,
        groups(NARROW, 3, 4),
        base={
            "data": "mnist_or_digits",
            "recipes": finished("average", "ot", "weight_matching", "cycle_consistent"),
            "curve_places": 0,
        },
        metric=maximize("cycle_consistent+repair/val_accuracy"),
    ),
    # Pairs of each architecture, and everything that the study measures of them.
    "fusion_metrics": Grid(
        FusionConfig,
        pairs(fashion_models(), "metrics.seed"),
        base={"recipes": [{"name": "average", "method": {"kind": "average"}}, {"name": "ot"}], "metrics": COSTS},
        metric=maximize("ot/val_accuracy"),
    ),
    # Two pairs of each architecture, one shot: minutes on a GPU.
    "fusion_cifar10": Grid(
        FusionConfig,
        pairs([(model, 2) for model in cifar_models("cifar10")]),
        base={"recipes": finished("average", "ot", "weight_matching", "activation_matching")},
        metric=maximize("ot/val_accuracy"),
    ),
    # The study itself, whose parents are those and more: hours on a GPU.
    "fusion_cifar": Grid(
        FusionConfig,
        pairs([(model, 5) for model in cifar_models("cifar10", "cifar100")], "metrics.seed"),
        base={"metrics": {}, "fine_tune": REFINE},
        metric=maximize("ot/val_accuracy"),
    ),
}
