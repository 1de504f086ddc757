"""One merging run: a checkpoint, the models that are fine-tuned from it, and the recipes that make one of them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from experiments.merging.scenarios import FineTuned, FineTuning, ScenarioConfig, Seeds, Tasks
from framework.config import Config, Seed, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import facts_of, train_images
from framework.data.places import lies_here
from framework.errors import Problem
from framework.fusion import config as matching
from framework.fusion.config import GW, OT, ActivationMatching, SinkhornMatching, WeightMatching
from framework.fusion.merging import config as merging
from framework.fusion.merging.config import (
    Dare,
    Fisher,
    GreedySoup,
    RegMean,
    Soup,
    TaskArithmetic,
    Ties,
)
from framework.models.config import MLP
from framework.models.facts import is_classifier
from framework.training.config import TrainingConfig, with_data
from framework.training.optimizers import SGD

RESERVED = ("base", "ensemble", "parent", "best_parent")
SCALES = tuple(step / 10 for step in range(1, 16))

Method = Annotated[
    Soup
    | GreedySoup
    | TaskArithmetic
    | Ties
    | Dare
    | Fisher
    | RegMean
    | OT
    | GW
    | WeightMatching
    | ActivationMatching
    | SinkhornMatching,
    Field(discriminator="kind"),
]


class Recipe(Config):
    """One way to make a network of the fine-tuned models."""

    name: str = Field(min_length=1, pattern=r"^[\w+.-]+$", description="What it is called in tables and figures.")
    method: Method = Field(
        description="How they are merged; ot, gw and the kinds that end in matching match hidden units first, as "
        "for models that do not come from one checkpoint."
    )


RECIPES = (
    Recipe(name="soup", method=Soup()),
    Recipe(name="greedy_soup", method=GreedySoup()),
    Recipe(name="task_arithmetic", method=TaskArithmetic(scales=SCALES)),
    Recipe(name="ties", method=Ties(scales=SCALES)),
    Recipe(name="dare", method=Dare(then=TaskArithmetic(scales=SCALES))),
    Recipe(name="dare+ties", method=Dare(then=Ties(scales=SCALES))),
    Recipe(name="fisher", method=Fisher()),
    Recipe(name="regmean", method=RegMean(num_samples=500)),
    Recipe(name="ot", method=OT()),
    Recipe(name="weight_matching", method=WeightMatching()),
    Recipe(name="activation_matching", method=ActivationMatching()),
)


def _base() -> TrainingConfig:
    return TrainingConfig(
        data=DataConfig(normalise="standard"),
        model=MLP(hidden=(256, 128), bias=True),
        optimizer=SGD(),
        learning_rate=0.01,
        max_epochs=3,
    )


class MergingConfig(Config):
    """Models that were fine-tuned from one checkpoint are merged by every recipe, and scored side by side."""

    base: TrainingConfig = Field(_base(), description="The checkpoint that all models are fine-tuned from.")
    data: Literal["fashion_mnist_or_digits"] | None = Field(
        None,
        description="fashion_mnist_or_digits puts Fashion-MNIST, where it lies in this machine's data folder, and "
        "digits where it does not, in place of base.data.name. null leaves it as it is.",
    )
    fine_tune: FineTuning = Field(FineTuning(), description="How each model is fine-tuned.")
    scenario: ScenarioConfig = Field(Seeds(), description="How the fine-tuned models differ.")
    num_models: int = Field(4, ge=1, description="Number of fine-tuned models.")
    seed: Seed = replicate(
        0, description="Seed of the fine-tuning; model number k, from 0, has seed * num_models + k."
    )
    recipes: tuple[Recipe, ...] = Field(RECIPES, min_length=1, description="How networks are made of the models.")
    num_inputs: int = Field(
        2000,
        ge=2,
        description="Images of the train split that a recipe sees, of a model's own classes where it runs that "
        "model alone; fewer where there are fewer.",
    )
    inputs_seed: Seed = replicate(0, description="Seed of the draw of those images.")
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    @model_validator(mode="before")
    @classmethod
    def _data_that_lies_here(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("data") != "fashion_mnist_or_digits":
            return values
        name = "fashion_mnist" if lies_here("fashion_mnist") else "digits"
        return {**values, "data": None, "base": with_data(values.get("base", _base()), name)}

    def conflicts(self) -> Iterator[Problem]:
        """What the recipes cannot do with the models and the inputs."""
        names = [recipe.name for recipe in self.recipes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            yield Problem("recipes", f"{', '.join(twice)} stands twice; give each recipe a name of its own")
        taken = [name for name in names if name.startswith(RESERVED)]
        if taken:
            message = f"{', '.join(taken)} is a name that the base, the models or the ensemble have"
            yield Problem("recipes", message)
        if not is_classifier(self.base.model):
            message = f"is {self.base.model.kind}, which is no classifier: it has no accuracy to compare"
            yield Problem("base.model.kind", message)
        yield from self._class_problems()
        yield from self._input_problems()
        yield from self._number_problems()

    def _class_problems(self) -> Iterator[Problem]:
        if not isinstance(self.scenario, Tasks):
            return
        known = facts_of(self.base.data).classes
        for number, classes in enumerate(self.scenario.classes):
            absent = [str(label) for label in classes if label >= known]
            if absent:
                message = f"names {', '.join(absent)}; the classes of {self.base.data.name} are 0 to {known - 1}"
                yield Problem(f"scenario.classes.{number}", message)
            if classes != tuple(sorted(set(classes))):
                message = f"is {list(classes)}; allowed: each class once, in ascending order"
                yield Problem(f"scenario.classes.{number}", message)

    def _input_problems(self) -> Iterator[Problem]:
        """Recipes that look at more images than they get."""
        facts, whole = facts_of(self.base.data), train_images(self.base.data)
        fewest = whole
        if isinstance(self.scenario, Tasks):
            fewest = min(whole * len(classes) // facts.classes for classes in self.scenario.classes)
        for number, recipe in enumerate(self.recipes):
            own = merging.inputs_needed(recipe.method)
            needed, images = (own, fewest) if own else (matching.inputs_needed(recipe.method), whole)
            available = min(self.num_inputs, images)
            if needed > available:
                message = f"is {needed} in the recipe {recipe.name}, and there are {available} inputs; allowed: "
                yield Problem(f"recipes.{number}.method.num_samples", f"{message}{available} or less")

    def _number_problems(self) -> Iterator[Problem]:
        for number, recipe in enumerate(self.recipes):
            if self.num_models < 2 and recipe.method.kind in matching.CONFIGS:
                message = f"is {recipe.method.kind}, which matches two models or more; num_models is 1"
                yield Problem(f"recipes.{number}.method.kind", message)

    @property
    def fine_tuned(self) -> tuple[FineTuned, ...]:
        """The config of each fine-tuned model."""
        shared = {name: getattr(self.fine_tune, name) for name in FineTuning.model_fields}
        return tuple(
            FineTuned(
                **shared,
                base=self.base,
                seed=self.seed * self.num_models + number,
                device=self.device,
                **self.scenario.changes(number),
            )
            for number in range(self.num_models)
        )
