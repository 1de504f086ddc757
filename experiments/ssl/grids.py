"""The grids of the experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.ssl.config import SSLConfig
from framework.grid import Axis, Grid, choice, maximize, replicates, zipped

Method = Mapping[str, Any]

BANK = 1024
SIAMESE = {"projection": {"kind": "mlp", "hidden": [512], "output": 512}, "predictor": {"hidden": [128]}}
WIDE = {"projection": {"kind": "mlp", "hidden": [512], "output": 512}}
CENTRED = {"projection": {"kind": "mlp", "hidden": [512, 512], "output": 64}, "slices": 256}
SMALL: dict[str, Mapping[str, Any]] = {
    "simclr": {},
    "moco": {"memory_bank_size": BANK},
    "byol": {},
    "simsiam": SIAMESE,
    "barlow_twins": WIDE,
    "vicreg": WIDE,
    "dcl": {},
    "fastsiam": SIAMESE,
    "lejepa": CENTRED,
    "visreg": CENTRED,
}
"""Every method, with heads that are in proportion to images of 64 pixels."""
QUICK: Mapping[str, Any] = {
    "encoder.backbone.width": 0.125,
    "encoder.max_epochs": 20,
    "encoder.warmup_epochs": 1,
    "encoder.evaluate_every": 5,
    "encoder.diagnostics_every": 10,
}
EPOCHS = 10  # of sweeps with many points


def small(kind: str, **changes: Any) -> Method:
    """A method with its small heads."""
    return {"kind": kind, **SMALL[kind], **changes}


def views(kinds: Sequence[str], counts: Sequence[int]) -> Axis:
    """Two views by the method's own loss, four by two strategies, and other numbers by one of them."""
    ways = [(2, "none"), (4, "fastsim"), *((count, "mean_n") for count in counts)]
    return choice(
        "encoder.method",
        [small(kind, views=count, strategy=strategy) for kind in kinds for count, strategy in ways],
    )


def stopped() -> Axis:
    """With and without stopped gradient and predictor; projections are not normalised, so that they can meet."""
    rows = []
    for stop_gradient in (True, False):
        for predictor in ({"hidden": [128]}, None):
            head = {"kind": "mlp", "hidden": [512], "output": 512, "output_norm": "none"}
            about = {"stop_gradient": stop_gradient, "predictor": predictor, "projection": head}
            rows.append({"kind": "simsiam", **about})
    return choice("encoder.method", rows)


ENLARGED = {"preset": "digits", "size": 32}  # the least that the standard stem takes


def starts() -> Axis:
    """A ResNet18 of random weights, of an encoder of other images, and of those that torchvision has trained."""
    resnet = {"kind": "torchvision", "name": "resnet18", "stem": "standard"}
    common = {"backbone": resnet, "distortions": ENLARGED, "max_epochs": 5}
    other = {**common, "data": {"name": "fashion_mnist", "train_fraction": 0.025}}
    return zipped(
        {
            "encoder.backbone": [resnet, resnet, {**resnet, "weights": "pretrained"}],
            "encoder.start": [{"kind": "fresh"}, {"kind": "from_other", "encoder": other}, {"kind": "fresh"}],
        }
    )


def cifar_steps(*, least: float, brightness: float, saturation: float, hue: float) -> Mapping[str, Any]:
    """The distortions of a method without its blur, as is customary for 32 pixels."""
    jitter = {"brightness": brightness, "contrast": brightness, "saturation": saturation, "hue": hue}
    steps = [
        {"kind": "crop", "scale": [least, 1.0]},
        {"kind": "horizontal_flip"},
        {"kind": "colour_jitter", **jitter},
        {"kind": "grey"},
    ]
    return {"preset": None, "steps": steps}


STRONG = cifar_steps(least=0.08, brightness=0.8, saturation=0.8, hue=0.2)
WEAK = cifar_steps(least=0.2, brightness=0.4, saturation=0.4, hue=0.1)
CIFAR = {"simclr": STRONG, "dcl": STRONG, "moco": WEAK, "byol": STRONG, "simsiam": WEAK, "fastsiam": WEAK}


GRIDS = {
    # Minutes on two cores: every method on digits, from three seeds.
    "ssl": Grid(
        SSLConfig,
        choice("encoder.method", [small(kind) for kind in SMALL]),
        replicates("encoder.seed", 3),
        base=QUICK,
        metric=maximize("val/linear_accuracy"),
    ),
    # Does it help to distort an image more often, and how are more than two views compared?
    "ssl_views": Grid(
        SSLConfig,
        views(("simsiam", "barlow_twins"), (4, 8)),
        replicates("encoder.seed", 3),
        base={**QUICK, "encoder.max_epochs": EPOCHS},
        metric=maximize("val/linear_accuracy"),
    ),
    # How much is lost with fewer images, and with fewer of them distorted?
    "ssl_fraction": Grid(
        SSLConfig,
        choice("encoder.method", [small("simclr")]),
        choice("encoder.data.train_fraction", [0.1, 0.25, 0.5, 1.0]),
        choice("encoder.distortions.fraction", [0.5, 1.0]),
        replicates("encoder.seed", 3),
        base={**QUICK, "encoder.batch_size": 64},
        metric=maximize("val/linear_accuracy"),
    ),
    # The batch size, with the step size in proportion to it.
    "ssl_batch": Grid(
        SSLConfig,
        choice("encoder.method", [small(kind) for kind in ("simclr", "barlow_twins")]),
        choice("encoder.batch_size", [16, 64, 256, 512]),
        replicates("encoder.seed", 3),
        base={**QUICK, "encoder.max_epochs": EPOCHS},
        metric=maximize("val/linear_accuracy"),
    ),
    # Where the weights begin. torchvision's have to lie on the machine.
    "ssl_pretrained": Grid(
        SSLConfig,
        choice("encoder.method", [small("simclr")]),
        starts(),
        replicates("encoder.seed", 3),
        base={
            "encoder.distortions": ENLARGED,
            "encoder.max_epochs": 5,
            "encoder.diagnostics_every": 5,
        },
        metric=maximize("val/linear_accuracy"),
    ),
    # Which diagnostic without labels tells how good a linear probe will be? 120 encoders, from poor to good.
    "ssl_diagnostics": Grid(
        SSLConfig,
        choice("encoder.method", [small(kind) for kind in SMALL]),
        choice("encoder.learning_rate", [0.006, 0.03, 0.15]),
        choice("encoder.max_epochs", [2, 6]),
        replicates("encoder.seed", 2),
        base={
            "encoder.backbone.width": 0.125,
            "encoder.warmup_epochs": 1,
            "encoder.evaluate_every": 6,
            "encoder.diagnostics_every": 6,
            "baselines": False,
            "weights": "last",
        },
        metric=maximize("val/linear_accuracy"),
    ),
    # What keeps a network without negatives from collapsing.
    "ssl_stopgrad": Grid(
        SSLConfig,
        stopped(),
        replicates("encoder.seed", 3),
        base={**QUICK, "encoder.evaluate_every": 1, "weights": "last"},
        metric=maximize("val/linear_accuracy"),
    ),
    # A GPU: a ResNet18 on CIFAR-10, with the recipe that is customary there.
    "ssl_cifar": Grid(
        SSLConfig,
        zipped(
            {"encoder.method": [{"kind": kind} for kind in CIFAR], "encoder.distortions": list(CIFAR.values())}
        ),
        choice("encoder.batch_size", [128, 512]),
        base={
            "encoder.data": {"name": "cifar10", "normalise": "standard"},
            "encoder.backbone": {"kind": "torchvision", "name": "resnet18"},
            "encoder.max_epochs": 200,
            "encoder.neighbours": 200,
            "encoder.evaluate_every": 5,
            "encoder.diagnostics_every": 20,
            "encoder.precision": "bf16-mixed",
            "encoder.compile": True,
            "neighbours": 200,
        },
        metric=maximize("val/linear_accuracy"),
    ),
}
