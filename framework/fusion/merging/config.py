"""How fine-tuned models are merged, as data: one config a method, told apart by `kind`. Knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, Seed
from framework.errors import Problem

Scales = tuple[Annotated[float, Field(allow_inf_nan=False)], ...]

SCALES = (
    "Factors of the merged task vector, without unit; below 0 the tasks are unlearned. Of several the one that "
    "scores best on val is taken, the first of equal ones."
)
SAMPLES = "Inputs of the train split that each model is run on, in images."
SEED = "Seed of the draw of those inputs."


def _repeated(scales: Scales) -> Iterator[Problem]:
    """Factors that stand twice, which would be scored twice."""
    twice = sorted({scale for scale in scales if scales.count(scale) > 1})
    if twice:
        shown = ", ".join(f"{scale:g}" for scale in twice)
        yield Problem("scales", f"holds {shown} more than once; allowed: each factor once")


class Soup(Config):
    """The uniform soup: the mean of all models (Wortsman et al., 2022)."""

    kind: Literal["soup"] = Field("soup", description="Selects the uniform soup.")


class GreedySoup(Config):
    """The greedy soup: models are added while the mean scores no worse on val (Wortsman et al., 2022)."""

    kind: Literal["greedy_soup"] = Field("greedy_soup", description="Selects the greedy soup.")


class TaskArithmetic(Config):
    """The sum of what fine-tuning changed, scaled and added to the base (Ilharco et al., 2023)."""

    kind: Literal["task_arithmetic"] = Field("task_arithmetic", description="Selects task arithmetic.")
    scales: Scales = Field((0.4,), min_length=1, description=SCALES)

    def conflicts(self) -> Iterator[Problem]:
        """Factors that stand twice."""
        yield from _repeated(self.scales)


class Ties(Config):
    """Task vectors trimmed, their signs elected, and the mean of those that agree (Yadav et al., 2023)."""

    kind: Literal["ties"] = Field("ties", description="Selects TIES.")
    density: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Share of a task vector's entries that is kept, the largest in size, in (0, 1].",
    )
    scales: Scales = Field((1.0,), min_length=1, description=SCALES)

    def conflicts(self) -> Iterator[Problem]:
        """Factors that stand twice."""
        yield from _repeated(self.scales)


class Dare(Config):
    """Entries of task vectors dropped at random, the others rescaled, before a merger (Yu et al., 2024)."""

    kind: Literal["dare"] = Field("dare", description="Selects DARE.")
    drop_rate: float = Field(
        0.9, ge=0, lt=1, description="Probability with which an entry of a task vector is dropped, in [0, 1)."
    )
    seed: Seed = Field(0, description="Seed of the draw of the entries that are dropped.")
    then: Annotated[TaskArithmetic | Ties, Field(discriminator="kind")] = Field(
        TaskArithmetic(), description="How the task vectors that are left are merged."
    )


class Fisher(Config):
    """The mean weighted, entry by entry, by how much the outputs depend on it (Matena and Raffel, 2022)."""

    kind: Literal["fisher"] = Field("fisher", description="Selects Fisher merging.")
    classes: Literal["expected", "sampled", "given"] = Field(
        "expected",
        description="The classes whose log-probabilities are differentiated: all, weighted by what the model "
        "expects, as in the paper; one an input, drawn from what it expects; or the label that is given, which is "
        "the empirical Fisher information.",
    )
    num_samples: int = Field(256, ge=1, description=SAMPLES)
    seed: Seed = Field(0, description="Seed of the draw of those inputs, and of sampled classes.")
    floor: float = Field(
        1e-10,
        gt=0,
        description="Least Fisher information of an entry, in nats per squared unit of weight: where no model has "
        "more, the mean is taken.",
    )


class RegMean(Config):
    """Layer by layer the weights that come closest to what each model writes on its inputs (Jin et al., 2023)."""

    kind: Literal["regmean"] = Field("regmean", description="Selects RegMean.")
    alpha: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Factor of the off-diagonal of each model's inner products of inputs, in [0, 1].",
    )
    num_samples: int = Field(1000, ge=1, description=SAMPLES)
    seed: Seed = Field(0, description=SEED)
    ridge: float = Field(
        1e-6,
        gt=0,
        description="Pull towards the mean of the weights, as a share of the mean diagonal of the inner products.",
    )


MergingMethod = Annotated[
    Soup | GreedySoup | TaskArithmetic | Ties | Dare | Fisher | RegMean, Field(discriminator="kind")
]
CONFIGS: dict[str, type[Config]] = {
    "soup": Soup,
    "greedy_soup": GreedySoup,
    "task_arithmetic": TaskArithmetic,
    "ties": Ties,
    "dare": Dare,
    "fisher": Fisher,
    "regmean": RegMean,
}


def inputs_needed(method: Config) -> int:
    """The number of inputs that a method runs each model on; fewer are refused."""
    return method.num_samples if isinstance(method, Fisher | RegMean) else 0


def scales_of(method: Config) -> Scales:
    """The factors that a method chooses among; none where it has none."""
    if isinstance(method, Dare):
        return method.then.scales
    return method.scales if isinstance(method, TaskArithmetic | Ties) else ()


def needs_score(method: Config) -> bool:
    """Whether a method chooses something on val."""
    return isinstance(method, GreedySoup) or len(scales_of(method)) > 1
