"""One stitching run: a source, a target, a mapping, and the axes inside the run. This module knows no tensor."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, Seed, added, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import facts_of, train_images
from framework.errors import Problem
from framework.mappings.config import Affine, MappingConfig, size_problem
from framework.models.facts import latent_dim
from framework.problems import differing
from framework.ssl.probed.config import ProbeConfig
from framework.training.config import TrainingConfig
from framework.training.starts import before

Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
Labels = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Side = TrainingConfig | ProbeConfig
"""A trained model, or a probe on a self-supervised encoder."""
Sampling = Literal[
    "equally",
    "random",
    "class_list",
    "outlier",
    "hard",
    "worst_classes",
    "best_classes",
    "convex_hull",
    "furthest_away",
]


class LatentsConfig(Config):
    """The output of a hidden layer of a trained model, over all images. Its artifact has the kind `latents`."""

    model: TrainingConfig = Field(TrainingConfig(), description="The trained model.")
    layer: str = Field("encoder", description="Name of the layer, as in the module's named_modules().")
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )


class StitchingConfig(Config):
    """An ordered pair of models and a mapping between their latent spaces.

    `num_samples`, `draws` and `mapping.ridges` are axes inside the run: all their combinations are fitted, scored
    and logged as rows of one table. Source and target may be the same model: the identity, as a check.
    """

    source: TrainingConfig = Field(TrainingConfig(), description="The model whose encoder is used.")
    target: TrainingConfig = Field(TrainingConfig(seed=1), description="The model whose decoder is used.")
    source_layer: str | None = Field(
        None,
        description="Name of the source's hidden layer to map from, as in named_modules(); null takes the model's "
        "own latent space.",
    )
    target_layer: str | None = Field(
        None, description="Name of the target's hidden layer to map into; null takes the model's own latent space."
    )
    source_probe: ProbeConfig | None = added(
        None,
        description="A self-supervised encoder with a linear probe, in the source's place; null takes source.",
    )
    target_probe: ProbeConfig | None = added(
        None,
        description="A self-supervised encoder with a linear probe, in the target's place: the probe reads mapped "
        "features; null takes target.",
    )
    mapping: MappingConfig = Field(
        Affine(), description="The map from the source's latent space into the target's."
    )
    control: Literal["none", "shuffled_anchors", "random_encoder", "class_means", "task_loss"] = Field(
        "none",
        description="What the mapping's score is held against. shuffled_anchors: the mapping of pairs that do not "
        "belong together; random_encoder: from the source before its training; class_means: to the target's mean "
        "of the nearest class; task_loss: an affine layer trained through the target, from the affine mapping on.",
    )
    num_samples: Counts = Field(
        (10, 50, 100, 200, 300, 500),
        description="Numbers of anchors, in images of the train split that both models encode; each is fitted.",
    )
    sampling: Sampling = Field(
        "equally",
        description="How anchors are picked. equally: as many of each class; random: whatever the class; "
        "class_list: equally from sampling_classes; outlier: without images that the target errs on by more than "
        "the mean plus half a standard deviation, hard: only those; worst_classes, best_classes: from the half of "
        "the classes with the largest or smallest error of the target; convex_hull: vertices of each class's hull "
        "in the source's latents; furthest_away: farthest-point sampling of the source's latents.",
    )
    sampling_classes: Labels | None = Field(
        None, description="Labels of the classes that anchors are taken from; null takes all."
    )
    sampling_seed: Seed = replicate(0, description="Seed of the anchors' first draw.")
    draws: int = Field(
        1,
        ge=1,
        description="Draws of the anchors, with the seeds sampling_seed, sampling_seed + 1, …; each is fitted. A "
        "mapping's own seed grows with them.",
    )
    split: Literal["val", "test"] = Field("test", description="Split that the stitched model is scored on, whole.")
    selection_images: int = Field(
        1000,
        ge=0,
        description="Images of the val split, from the first on, that λ and the mapping are chosen by; 0 scores "
        "none, and then nothing is chosen.",
    )
    ssim_images: int = Field(
        1000,
        ge=0,
        description="Images of the scored split, from the first on, that SSIM is measured on; 0 leaves it out.",
    )
    per_image: bool = Field(
        True,
        description="Whether to log the table results_top, with a row for each cell and image (true or false).",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to decode; auto takes a GPU where there is one."
    )

    @property
    def sides(self) -> dict[str, Side]:
        """What is stitched, by role: source and target."""
        return {"source": self.source_probe or self.source, "target": self.target_probe or self.target}

    @property
    def data(self) -> DataConfig:
        """The images, the same for both sides."""
        return self.sides["source"].data

    @property
    def label(self) -> str:
        """What tables call the mapping, or the control in its place."""
        suffix = {"none": "", "shuffled_anchors": "_shuffled", "random_encoder": "_untrained"}.get(self.control)
        return self.control if suffix is None else self.mapping.label + suffix

    def conflicts(self) -> Iterator[Problem]:
        """What the data, the sampling and the mapping cannot do with the two models."""
        yield from self._side_problems()
        yield from self._data_problems()
        yield from self._sampling_problems()
        yield from self._mapping_problems()

    def _side_problems(self) -> Iterator[Problem]:
        """What a probe in a side's place leaves without effect."""
        for role in ("source", "target"):
            if getattr(self, f"{role}_probe") is None:
                continue
            if getattr(self, role).canonical_text != type(self).model_fields[role].default.canonical_text:
                message = f"is given, and so is {role}_probe, which takes its place: leave one of them out"
                yield Problem(role, message)
            if getattr(self, f"{role}_layer") is not None:
                message = f"names a layer of {role}, and {role}_probe reads the encoder's features: leave it out"
                yield Problem(f"{role}_layer", message)
        source = self.sides["source"]
        trained = source.encoder if isinstance(source, ProbeConfig) else source
        if self.control == "random_encoder" and before(trained) is not None:
            message = (
                "is random_encoder, and the source begins with weights of another training; allowed: a source "
                "with start=fresh and extra_epochs=0"
            )
            yield Problem("control", message)

    def _data_problems(self) -> Iterator[Problem]:
        source, target = (side.data for side in self.sides.values())
        if source is not target and source.canonical_text != target.canonical_text:
            first, second = (
                f"{role}_probe.encoder.data" if isinstance(side, ProbeConfig) else f"{role}.data"
                for role, side in self.sides.items()
            )
            message = (
                f"and {first} differ in {differing(target, source)}: anchors must be images that both models "
                "take, from one train split"
            )
            yield Problem(second, message)

    def _sampling_problems(self) -> Iterator[Problem]:
        yield from _said_twice("num_samples", self.num_samples)
        yield from _said_twice("mapping.ridges", self.mapping.ridge_values)
        yield from _said_twice("sampling_classes", self.sampling_classes or ())
        images, classes = train_images(self.data), facts_of(self.data).classes
        for number in [number for number in self.num_samples if number > images]:
            needed = f"for which sampling={self.sampling} needs {number} candidates"
            yield Problem("num_samples", f"is {number}, {needed}; there are {images}")
        absent = [label for label in self.sampling_classes or () if label >= classes]
        if absent:
            message = f"names the classes {absent}, which have no image here; there are 0 to {classes - 1}"
            yield Problem("sampling_classes", message)
        if self.sampling == "class_list" and self.sampling_classes is None:
            yield Problem("sampling", "is class_list: list the classes in sampling_classes")

    def _mapping_problems(self) -> Iterator[Problem]:
        """Sizes of latent spaces that the mapping cannot take; those of hidden layers are not known here."""
        if self.control == "task_loss" and self.mapping.kind != "affine":
            message = (
                f"is task_loss, which trains an affine layer; mapping.kind is {self.mapping.kind}: use affine"
            )
            yield Problem("control", message)
        if self.source_layer is None and self.target_layer is None:
            source, target = (_latent_dim(side) for side in self.sides.values())
            if source is None or target is None:
                return
            problem = size_problem(self.mapping.kind, source, target)
            if problem is not None:
                names = [
                    f"{role}_probe" if isinstance(side, ProbeConfig) else f"{role}.model"
                    for role, side in self.sides.items()
                ]
                yield Problem("mapping.kind", f"{problem} ({' → '.join(names)}); use linear or affine")


def _latent_dim(side: Side) -> int | None:
    """The size of a side's latent space, where it is known before the model is built."""
    if isinstance(side, ProbeConfig):
        return side.num_features
    return latent_dim(side.model, facts_of(side.data).shape)


def _said_twice(name: str, values: Sequence[float]) -> list[Problem]:
    if len(set(values)) == len(values):
        return []
    return [Problem(name, f"names a value twice: {list(values)}")]
