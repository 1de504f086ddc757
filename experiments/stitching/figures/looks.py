"""What all figures of this experiment agree on: the colour and marker of a mapping, its name, and the scores."""

from collections.abc import Iterable
from typing import NamedTuple

from framework.report.style import COLOURS, MARKERS

NAMES = {
    "identity": "zero-shot",
    "relative_centred": "relative, centred",
    "orthogonal_isotropic": "orthogonal, scaled",
    "orthogonal_standardised": "orthogonal, standardised",
    "linear_relative": "linear, relative λ",
    "affine_relative": "affine, relative λ",
    "decouple_affine": "decouple affine",
    "residual": "MLP + linear",
    "affine_shuffled": "affine, shuffled anchors",
    "affine_untrained": "affine, random encoder",
    "affine_relative_shuffled": "affine, relative λ, shuffled anchors",
    "affine_relative_untrained": "affine, relative λ, random encoder",
    "class_means": "class means",
    "task_loss": "stitching layer (task loss)",
    "mlp": "MLP",
}
FAMILIES = {
    "fixed or counted": ("identity", "relative", "relative_centred", "permutation"),
    "rotations": ("orthogonal", "orthogonal_isotropic", "orthogonal_standardised"),
    "linear": ("linear", "linear_relative", "affine", "affine_relative", "decouple", "decouple_affine"),
    "beyond linear": ("kernel", "residual", "mlp"),
    "controls": (
        *("affine_shuffled", "affine_untrained", "class_means", "task_loss"),
        *("affine_relative_shuffled", "affine_relative_untrained"),
    ),
}
"""Mappings of one kind, in the order in which they read. What is unknown stands with the controls."""
OTHER = "controls"
ORDER = tuple(mapping for members in FAMILIES.values() for mapping in members)
ROLES = ("source", "target")
KINDS = {"architectures": "architecture", "methods": "method"}
"""Columns that say whether source and target are of the same kind, and what a kind is called."""


class Look(NamedTuple):
    """How a mapping is drawn: among its family by `colour` and `marker`, among all by the family's colour."""

    name: str
    family: str
    colour: str
    marker: str
    family_colour: str


class Score(NamedTuple):
    """A number that stitching is judged by: columns `<key>_stitched`, `<key>_source`, `<key>_target`."""

    key: str
    label: str
    word: str
    higher_is_better: bool


SCORES = (
    Score("mse", "mean squared error per pixel", "error", higher_is_better=False),
    Score("accuracy", "accuracy", "accuracy", higher_is_better=True),
)


def look(mapping: str) -> Look:
    """The look of a mapping, the same in every figure; within a family no colour is used twice."""
    family = next((name for name, members in FAMILIES.items() if mapping in members), OTHER)
    members = FAMILIES[family]
    place = members.index(mapping) if mapping in members else len(members)
    number = list(FAMILIES).index(family)
    return Look(
        NAMES.get(mapping, mapping),
        family,
        COLOURS[place % len(COLOURS)],
        MARKERS[place % len(MARKERS)],
        COLOURS[number],
    )


def kinship(column: str, value: object) -> str:
    """`same architecture`, `another method`: a value of one of the columns of `KINDS`."""
    return f"{value} {KINDS[column]}"


def in_order(mappings: Iterable[str]) -> list[str]:
    """Mappings in the order in which they read; unknown ones last."""
    return sorted(set(mappings), key=lambda m: (ORDER.index(m) if m in ORDER else len(ORDER), m))
