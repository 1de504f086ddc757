"""One fusion run: parents, the recipes that make one network of them, and what is measured of all."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from framework.config import Config, Seed, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import facts_of, train_images
from framework.data.places import lies_here
from framework.errors import Problem
from framework.fusion.config import (
    EQUAL_WIDTHS,
    OT,
    ActivationMatching,
    AlignmentConfig,
    Average,
    WeightMatching,
    inputs_needed,
)
from framework.metrics.spaces_config import MetricsConfig
from framework.models.config import MLP, ModelConfig
from framework.models.facts import differences, image_problems, is_classifier
from framework.problems import differing, within
from framework.training.config import TrainingConfig, with_data
from framework.training.optimizers import SGD
from framework.training.refine_config import RefineConfig

RESERVED = ("ensemble", "parent_")
ALIKE = "parents are of one architecture, and may differ in widths alone"


class Recipe(Config):
    """One way to make a network of the parents."""

    name: str = Field(min_length=1, pattern=r"^[\w+.-]+$", description="What it is called in tables and figures.")
    method: AlignmentConfig = Field(OT(), description="How the hidden units of the parents are matched.")
    merge: Literal["mean", "regression"] = Field(
        "mean",
        description="The mean of the weights, or that mean refitted layer by layer to the parents' outputs.",
    )
    repair: bool = Field(
        False,
        description="Whether units are rescaled to the parents' statistics, or batch normalisation is run anew "
        "(true or false).",
    )
    fix_outputs: bool = Field(
        True, description="Whether the order of the classes is kept (true), or the last layer is matched too."
    )


RECIPES = (
    Recipe(name="average", method=Average()),
    Recipe(name="ot"),
    Recipe(name="ot_activations", method=OT(source="activations", num_samples=500)),
    Recipe(name="weight_matching", method=WeightMatching()),
    Recipe(name="activation_matching", method=ActivationMatching()),
    Recipe(name="ot+repair", repair=True),
    Recipe(name="ot+regression", merge="regression"),
)


def _parent(seed: int) -> TrainingConfig:
    return TrainingConfig(
        data=DataConfig(normalise="standard"), model=MLP(), seed=seed, optimizer=SGD(), learning_rate=0.01
    )


class FusionConfig(Config):
    """Parents are fused by every recipe, and everything is scored side by side."""

    first: TrainingConfig = Field(_parent(0), description="The first parent; what is fused is in its basis.")
    second: TrainingConfig = Field(_parent(1), description="The second parent.")
    more: tuple[TrainingConfig, ...] = Field((), description="Further parents.")
    parents: tuple[str, ...] | None = Field(
        None,
        min_length=2,
        description="Files with the weights of finished parents (state dicts), in place of `first`, `second` and "
        "`more`; first.data says on which images they are scored.",
    )
    model: ModelConfig | None = Field(
        None, description="Architecture of `parents`; null takes that of first.model."
    )
    data: Literal["mnist_or_digits"] | None = Field(
        None,
        description="mnist_or_digits puts MNIST, where it lies in this machine's data folder, and digits where it "
        "does not, in place of every parent's data.name. null leaves them as they are.",
    )
    recipes: tuple[Recipe, ...] = Field(RECIPES, min_length=1, description="How networks are made of the parents.")
    weights: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(
        None, description="Share of each parent, in [0, 1], summing to 1; null gives each the same."
    )
    num_inputs: int = Field(
        2000,
        ge=2,
        description="Images of the train split that activations, regression and repair see; fewer where it has "
        "fewer.",
    )
    inputs_seed: Seed = replicate(0, description="Seed of the draw of those images.")
    curve_places: int = Field(
        11,
        description="Places between the first and the second parent at which the networks on the straight line "
        "are scored, ends included; 0 for none, else 3 or more.",
    )
    fine_tune: RefineConfig | None = Field(None, description="How networks are trained on; null trains none.")
    distil: RefineConfig | None = Field(
        None, description="How networks are trained towards the ensemble's logits; null trains none."
    )
    refined: tuple[str, ...] = Field(
        ("average", "ot"), description="Recipes whose networks are fine-tuned and distilled into, by name."
    )
    metrics: MetricsConfig | None = Field(
        None, description="What is measured in input, parameter and prediction space; null measures nothing."
    )
    measured: tuple[str, ...] = Field(
        ("average", "ot"), description="Recipes whose networks are measured beside the parents, by name."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    @model_validator(mode="before")
    @classmethod
    def _data_that_lies_here(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("data") != "mnist_or_digits":
            return values
        name = "mnist" if lies_here("mnist") else "digits"
        changed = {**values, "data": None}
        for key, default in (("first", _parent(0)), ("second", _parent(1))):
            changed[key] = with_data(values.get(key, default), name)
        if isinstance(values.get("more"), list | tuple):
            changed["more"] = [with_data(parent, name) for parent in values["more"]]
        return changed

    def conflicts(self) -> Iterator[Problem]:
        """What the recipes cannot do with the parents and the inputs."""
        yield from self._recipe_problems()
        yield from self._parent_problems()
        yield from self._weight_problems()
        yield from self._input_problems()
        if self.curve_places and self.curve_places < 3:
            yield Problem("curve_places", f"is {self.curve_places}; allowed: 0, or 3 and more")

    def _recipe_problems(self) -> Iterator[Problem]:
        names = [recipe.name for recipe in self.recipes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            yield Problem("recipes", f"{', '.join(twice)} stands twice; give each recipe a name of its own")
        taken = [name for name in names if name.startswith(RESERVED)]
        if taken:
            yield Problem("recipes", f"{', '.join(taken)} is a name that the parents or the ensemble have")
        for field in ("refined", "measured"):
            wanted = getattr(self, field)
            unknown = [name for name in wanted if name not in names]
            needed = self.metrics if field == "measured" else self.fine_tune or self.distil
            if unknown and needed is not None:
                yield Problem(field, f"names {', '.join(unknown)}; the recipes are: {', '.join(names)}")

    def _parent_problems(self) -> Iterator[Problem]:
        if not is_classifier(self.architecture):
            message = f"is {self.architecture.kind}, which is no classifier: it has no accuracy to compare"
            yield Problem("model.kind" if self.model else "first.model.kind", message)
        if self.parents is not None:
            yield from within("model" if self.model else "first.model", self._image_problems())
            return
        if self.model is not None:
            yield Problem("model", "is for `parents`, which are not given; set first.model instead")
        for place, other in enumerate(self.trained[1:], start=2):
            if other.data.config_id != self.first.data.config_id:
                apart = differing(other.data, self.first.data)
                yield Problem("", f"parent {place} sees other data than the first: {apart}")
            if other.model.kind == self.first.model.kind:
                yield from self._width_problems(place, *differences(self.first.model, other.model))
            else:
                yield Problem(
                    "", f"parent {place} is {other.model.kind}, the first {self.first.model.kind}: {ALIKE}"
                )

    def _image_problems(self) -> Iterator[Problem]:
        return image_problems(self.architecture, facts_of(self.first.data).shape)

    def _width_problems(self, place: int, widths: list[str], layers: list[str]) -> Iterator[Problem]:
        if layers:
            yield Problem("", f"parent {place} differs from the first in {', '.join(layers)}: {ALIKE}")
        for number, recipe in enumerate(self.recipes):
            if widths and not layers and recipe.method.kind in EQUAL_WIDTHS:
                message = (
                    f"is {recipe.method.kind} in the recipe {recipe.name}, and parent {place} differs from the "
                    f"first in {', '.join(widths)}; permutations need equal widths: use ot, or leave it out"
                )
                yield Problem(f"recipes.{number}.method", message)

    def _weight_problems(self) -> Iterator[Problem]:
        number = len(self.parents or self.trained)
        if self.weights is not None and (len(self.weights) != number or abs(sum(self.weights) - 1) > 1e-6):
            yield Problem("weights", f"is {list(self.weights)}; {number} shares that sum to 1 are needed")

    def _input_problems(self) -> Iterator[Problem]:
        """Recipes that look at more images than they get."""
        images = train_images(self.first.data)
        available = min(self.num_inputs, images)
        for number, recipe in enumerate(self.recipes):
            needed = inputs_needed(recipe.method)
            if needed > available:
                message = f"is {needed} in the recipe {recipe.name}, and there are {available} inputs; allowed: "
                message += f"{available} or less, "
                why = f"of {images} images in the train split of {self.first.data.name}"
                message += f"or set num_inputs to {needed}" if needed <= images else why
                yield Problem(f"recipes.{number}.method.num_samples", message)

    @property
    def architecture(self) -> ModelConfig:
        """What all parents are."""
        return self.model or self.first.model

    @property
    def trained(self) -> tuple[TrainingConfig, ...]:
        """The parents that are trained."""
        return (self.first, self.second, *self.more)
