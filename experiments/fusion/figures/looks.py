"""What all figures agree on: the order of families and recipes, their names, colours and markers.

A colour is a recipe, a marker is a stage, so that what is made of one fused model is recognised beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from framework.report.style import COLOURS, MARKERS, REFERENCE

PARENTS = "parents"  # the mean of a run's parents, which the report adds
AVERAGE = "average"
ENSEMBLE = "ensemble"

STAGES = {"parent": "o", "fused": "o", "aligned": "s", "ensemble": "P", "fine_tuned": "^", "distilled": "D"}
PALETTE, BLACK = COLOURS[:-1], COLOURS[-1]


class Look(NamedTuple):
    """How a family or recipe is drawn."""

    name: str
    colour: str
    marker: str
    line: str


@dataclass(frozen=True)
class Looks:
    """Families and recipes in the order in which they read; `stages` and `recipes_of` are by family."""

    families: list[str]
    stages: dict[str, str]
    recipes_of: dict[str, str]
    recipes: list[str]

    @classmethod
    def of(cls, models: pd.DataFrame) -> "Looks":
        """From the columns `family`, `stage` and `recipe`: recipes as logged, the plain average first."""
        recipes = [str(recipe) for recipe in models["recipe"].drop_duplicates() if recipe]
        recipes.sort(key=lambda recipe: recipe != AVERAGE)
        rows = models.drop_duplicates("family")
        stages = {str(family): str(stage) for family, stage in zip(rows["family"], rows["stage"], strict=True)}
        recipes_of = {
            str(family): str(recipe) for family, recipe in zip(rows["family"], rows["recipe"], strict=True)
        }
        stage_places = {stage: place for place, stage in enumerate(STAGES)}
        places = {recipe: place for place, recipe in enumerate(["", *recipes])}
        families = sorted(
            stages,
            key=lambda family: (
                stage_places.get(stages[family], len(STAGES)),
                family == PARENTS,
                places[recipes_of[family]],
            ),
        )
        return cls(families, stages, recipes_of, recipes)

    def of_family(self, family: str) -> Look:
        """The look of a family; parents are grey, the ensemble and what is made of it black."""
        marker, recipe = STAGES.get(self.stages[family], "X"), self.recipes_of[family]
        if recipe:
            look = self.of_recipe(recipe)
            return look._replace(name=name_of(family), marker=marker)
        if self.stages[family] == "parent":
            number = family.removeprefix("parent_")
            marker = MARKERS[(int(number) - 1) % len(MARKERS)] if number.isdecimal() else marker
            return Look(name_of(family), REFERENCE, marker, "-")
        return Look(name_of(family), BLACK, marker, "-")

    def of_recipe(self, recipe: str) -> Look:
        """The look of a recipe; after all colours they come again with dashed lines."""
        place = self.recipes.index(recipe) if recipe in self.recipes else len(self.recipes)
        line = ("-", "--", ":")[min(place // len(PALETTE), 2)]
        return Look(name_of(recipe), PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)], line)

    def shown(self, families: Iterable[str]) -> list[str]:
        """Those of `families` that tables and figures show, in order.

        Parents brought to the first compute what they did before, so they are left out; so are single parents
        where their mean is there.
        """
        present = set(families)
        kept = [family for family in self.families if family in present and self.stages[family] != "aligned"]
        single = [family for family in kept if PARENTS in present and self.stages[family] == "parent"]
        return [family for family in kept if family == PARENTS or family not in single]


def name_of(family: str) -> str:
    """`ot_acts, fine-tuned` for `ot_acts/fine_tuned`; what is not a stage stays as it was written."""
    base, _, stage = family.partition("/")
    if base.startswith("parent_"):
        base = base.replace("_", " ")
    return f"{base}, {stage.replace('_', '-')}" if stage else base
