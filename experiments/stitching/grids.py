"""The grids of the stitching experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.stitching.config import StitchingConfig
from framework.grid import Axis, Grid, choice, maximize, minimize, zipped
from framework.mappings.config import AS_MANY

Model = Mapping[str, Any]

WITH_RIDGE = ("linear", "affine", "decouple", "decouple_affine", "mlp", "residual", "kernel")
WITHOUT_RIDGE: tuple[Model, ...] = (
    {"kind": "orthogonal"},
    {"kind": "orthogonal", "scaling": "isotropic"},
    {"kind": "orthogonal", "scaling": "standardised"},
    {"kind": "permutation"},
    {"kind": "relative"},
    {"kind": "relative", "centred": True},
    {"kind": "identity"},
)
SEEDS = (0, 1, 2)


def mappings(ridges: Sequence[float]) -> Axis:
    """Every mapping, with all ridges where it has one, and the affine one with ridges relative to its latents."""
    values: list[Model] = [{"kind": kind, "ridges": list(ridges)} for kind in WITH_RIDGE]
    return choice("mapping", [*values, {"kind": "affine", "ridges": "auto"}, *WITHOUT_RIDGE])


def controls(ridges: Sequence[float]) -> Axis:
    """The affine mapping, and everything that its score is held against."""
    names = ("none", "shuffled_anchors", "random_encoder", "class_means", "task_loss")
    mapping = {"kind": "affine", "ridges": list(ridges)}
    only = {"kind": "affine", "ridges": [0]}  # of what has no λ, or no use for several
    return zipped({"control": names, "mapping": [only if name == "class_means" else mapping for name in names]})


def pairs(of: Iterable[tuple[Model, Model]]) -> Axis:
    """Source and target together."""
    sources, targets = zip(*of, strict=True)
    return zipped({"source": sources, "target": targets})


def drawn_pairs(of: Iterable[tuple[Model, Model]]) -> Axis:
    """`pairs`, each with a draw of the anchors of its own: the spread over the pairs holds theirs."""
    return Axis(tuple({**row, "sampling_seed": number} for number, row in enumerate(pairs(of).rows)))


def digits_models() -> list[Model]:
    """Two architectures x three seeds, latent size 8, of seconds each."""
    return [{"model": {"kind": kind}, "seed": seed} for kind in ("pcktae", "mlp_autoencoder") for seed in SEEDS]


def related(models: Sequence[Model]) -> Iterable[tuple[Model, Model]]:
    """All ordered pairs of seeds of one architecture, and of architectures of one seed."""
    for source, target in itertools.permutations(models, 2):
        if source["model"] == target["model"] or source["seed"] == target["seed"]:
            yield source, target


def fashion_models(latent_dim: int) -> list[Model]:
    """Three architectures x three seeds on Fashion-MNIST."""
    architectures: list[Model] = [
        {"kind": "pcktae", "latent_dim": latent_dim},
        {"kind": "vae", "latent_dim": latent_dim},
        {"kind": "ae", "latent_dim": latent_dim, "channels": [8, 16, 32, 64]},
    ]
    common = {"data": {"name": "fashion_mnist"}, "max_epochs": 5}
    return [{**common, "model": architecture, "seed": seed} for architecture in architectures for seed in SEEDS]


def fashion_pairs() -> Iterable[tuple[Model, Model]]:
    """For each latent size the `related` pairs.

    The convolutional autoencoder is a source only: its decoder takes a CPU five times as long as the others'.
    """
    for latent_dim in (10, 32):
        yield from (pair for pair in related(fashion_models(latent_dim)) if pair[1]["model"]["kind"] != "ae")


def classifiers() -> list[Model]:
    """ResNet18 and a small vision transformer on MNIST."""
    common = {"data": {"name": "mnist"}, "batch_size": 128}
    resnet = {**common, "model": {"kind": "resnet18"}, "max_epochs": 1, "learning_rate": 0.001}
    transformer = {
        **common,
        "model": {"kind": "vit"},
        "max_epochs": 6,
        "learning_rate": 0.001,
        "schedule": "linear",
    }
    return [{**model, "seed": seed} for model in (resnet, transformer) for seed in (0, 1)]


def ssl_encoders() -> list[Model]:
    """Probes on encoders of three methods x three seeds on digits, of seconds each; heads in proportion."""
    wide = {"kind": "mlp", "hidden": [512], "output": 512}
    methods: list[Model] = [
        {"kind": "simclr"},
        {"kind": "barlow_twins", "projection": wide},
        {"kind": "vicreg", "projection": wide},
    ]
    common = {
        "backbone": {"kind": "cifar_resnet", "width": 0.125},
        "max_epochs": 20,
        "warmup_epochs": 1,
        "evaluate_every": 5,
        "diagnostics_every": None,
    }
    return [{"encoder": {**common, "method": method, "seed": seed}} for method in methods for seed in SEEDS]


def probe_pairs(models: Sequence[Model]) -> Axis:
    """All ordered pairs of seeds of one method, and of methods of one seed, each with a draw of its own."""
    flat = [model["encoder"] for model in models]
    rows = [
        {"source_probe": {"encoder": source}, "target_probe": {"encoder": target}}
        for source, target in itertools.permutations(flat, 2)
        if source["method"] == target["method"] or source["seed"] == target["seed"]
    ]
    return Axis(tuple({**row, "sampling_seed": number} for number, row in enumerate(rows)))


def linear_and_controls() -> Axis:
    """Maps that are linear but for an offset, with λ relative to the features, and what they are held against."""
    affine: Model = {"kind": "affine", "ridges": "auto"}
    rows: list[tuple[str, Model]] = [
        ("none", {"kind": "linear", "ridges": "auto"}),
        ("none", affine),
        ("none", {"kind": "orthogonal", "scaling": "isotropic"}),
        ("none", {"kind": "identity"}),
        ("shuffled_anchors", affine),
        ("random_encoder", affine),
        ("class_means", {"kind": "affine", "ridges": [0]}),
        ("task_loss", {"kind": "affine", "ridges": [0.001], "relative": True}),
    ]
    names, mapping = zip(*rows, strict=True)
    return zipped({"control": names, "mapping": mapping})


GRIDS = {
    # Minutes on a laptop: six models on digits, 18 ordered pairs, every mapping. Sample counts, draws of anchors
    # and ridges are axes inside each run.
    "stitching": Grid(
        StitchingConfig,
        pairs(related(digits_models())),
        mappings((0, 0.01, 0.1, 1)),
        base={"num_samples": (10, 50, 200, 500), "draws": 3},
        metric=minimize("stitched/mse_val"),
    ),
    # What those scores are worth: the affine mapping beside a stitching layer, shuffled anchors, an untrained
    # encoder, and the classes alone.
    "stitching_controls": Grid(
        StitchingConfig,
        pairs(related(digits_models())),
        controls((0.01, 0.1, 1)),
        base={"num_samples": (10, 50, 500), "draws": 3},
        metric=minimize("stitched/mse_val"),
    ),
    # The study on real images: 18 models, 48 ordered pairs, 6,192 mappings. The table with a row for each mapped
    # image would have 62 million rows; it is left out, and so is SSIM.
    "stitching_fashion_mnist": Grid(
        StitchingConfig,
        drawn_pairs(fashion_pairs()),
        mappings((0, 0.001, 0.1, 1)),
        base={"num_samples": (10, 50, 500), "per_image": False, "ssim_images": 0},
        metric=minimize("stitched/mse_val"),
    ),
    # Heads that classify: accuracy of the target's head on the source's latents.
    "stitching_classifiers": Grid(
        StitchingConfig,
        pairs(itertools.permutations(classifiers(), 2)),
        mappings((0, 0.01, 1)),
        exclude=[
            {"source.model": "resnet18", "target.model": "vit", "mapping": AS_MANY},  # 512 → 64
            {"source.model": "vit", "target.model": "resnet18", "mapping": AS_MANY},
        ],
        metric=maximize("stitched/accuracy_val"),
    ),
    # Minutes on two cores: does a linear map carry one self-supervised encoder's features to another's probe?
    "stitching_ssl": Grid(
        StitchingConfig,
        probe_pairs(ssl_encoders()),
        linear_and_controls(),
        base={"num_samples": (10, 50, 200, 1000), "per_image": False},
        metric=maximize("stitched/accuracy_val"),
    ),
}
