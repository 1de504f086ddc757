"""How models are brought into one basis, as data: one config a method, told apart by `kind`. Knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, Seed
from framework.errors import Problem

Share = Annotated[float, Field(ge=0, le=1)]

SAMPLES = "Inputs of the train split that activations are taken from, in images."
SEED = "Seed of the draw of those inputs."


class Average(Config):
    """The plain average of the weights as they are; no units are matched."""

    kind: Literal["average"] = Field("average", description="Selects the plain average.")


class Ground(Config):
    """What it costs to match one unit with another: the distance of their rows, or of their activations."""

    metric: Literal["euclidean", "cosine"] = Field(
        "euclidean", description="Ground metric: Euclidean distance, or 1 - cosine similarity."
    )
    squared: bool = Field(False, description="Whether a Euclidean distance is squared (true or false).")
    scale: Literal["none", "max", "mean", "median", "log"] = Field(
        "none", description="What the costs of a layer are divided by; log takes log(1 + cost)."
    )
    clip: tuple[float, float] | None = Field(
        None, description="Least and largest cost, without unit, after scaling; null clips nothing."
    )


class _Coupled(Config):
    """What optimal transport and Gromov-Wasserstein have in common."""

    source: Literal["weights", "activations"] = Field(
        "weights", description="What units are compared by: the rows that make them, or their activations."
    )
    activation: Literal["pre", "post"] = Field(
        "pre", description="Activations before the nonlinearity, as a layer wrote them, or behind it."
    )
    statistic: Literal["raw", "centred", "standardised"] = Field(
        "raw",
        description="Activations as they are, less each unit's mean over the inputs, or also divided by its "
        "standard deviation.",
    )
    num_samples: int = Field(200, ge=2, description=SAMPLES)
    seed: Seed = Field(0, description=SEED)
    normalise_rows: bool = Field(
        True, description="Whether each row of weights has unit length in the cost (true or false)."
    )
    marginals: Literal["uniform", "l1", "l2"] = Field(
        "uniform",
        description="Mass of a unit: equal for all, or in proportion to the l1 or l2 norm of its rows.",
    )
    ground: Ground = Field(Ground(), description="What it costs to match one unit with another.")


class OT(_Coupled):
    """Layer by layer the plan of least cost (Singh and Jaggi, 2020)."""

    kind: Literal["ot"] = Field("ot", description="Selects optimal transport.")
    solver: Literal["exact", "emd", "assignment", "sinkhorn", "unbalanced"] = Field(
        "exact",
        description="exact: by assignment where marginals are uniform and widths equal, else by POT's network "
        "simplex (emd). sinkhorn and unbalanced give soft plans.",
    )
    reg: float = Field(
        0.01, gt=0, description="Entropic regularisation of sinkhorn and unbalanced, in units of cost."
    )
    reg_m: float = Field(1.0, gt=0, description="Weight of the marginals for unbalanced, in units of cost.")
    passes: int = Field(
        10,
        ge=1,
        description="Most sweeps over the layers; after the first only where several layers write to one stream, "
        "until no plan changes.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """An assignment of units that have not the same mass."""
        if self.solver == "assignment" and self.marginals != "uniform":
            message = f"is assignment, which takes marginals=uniform, not {self.marginals}; use exact or emd"
            yield Problem("solver", message)


class GW(_Coupled):
    """Gromov-Wasserstein: units are matched by their distances to the units of their own model."""

    kind: Literal["gw"] = Field("gw", description="Selects Gromov-Wasserstein.")
    loss: Literal["square", "kl"] = Field("square", description="How distances are compared.")
    reg: float = Field(0.0, ge=0, description="Entropic regularisation, in units of squared cost; 0 has none.")


class WeightMatching(Config):
    """Permutations that bring all weights closest, one basis at a time (Ainsworth et al., 2023)."""

    kind: Literal["weight_matching"] = Field("weight_matching", description="Selects weight matching.")
    passes: int = Field(100, ge=1, description="Most sweeps over the bases; it ends where nothing changes.")
    starts: int = Field(1, ge=1, description="Orders that are tried, each from the identity; the closest is kept.")
    seed: Seed = Field(0, description="Seed of the order of the bases.")


class CycleConsistent(Config):
    """Permutations of all models at once into one universe, so that cycles close (Crisostomi et al., 2024)."""

    kind: Literal["cycle_consistent"] = Field(
        "cycle_consistent", description="Selects cycle-consistent matching of all models at once."
    )
    iterations: int = Field(100, ge=1, description="Most Frank-Wolfe steps of a start, all permutations in each.")
    tolerance: float = Field(
        1e-6,
        ge=0,
        description="Gain of a step below which it ends, as a share of the squared norm of all weights.",
    )
    starts: int = Field(
        1, ge=1, description="Starts, the first from the order that units have; the best objective is kept."
    )
    seed: Seed = Field(0, description="Seed of the orders that further starts begin with.")


class ActivationMatching(Config):
    """Permutations that bring activations closest in correlation (Li et al., 2016)."""

    kind: Literal["activation_matching"] = Field("activation_matching", description="Selects activation matching.")
    activation: Literal["pre", "post"] = Field(
        "post", description="Activations before the nonlinearity, as a layer wrote them, or behind it."
    )
    num_samples: int = Field(1000, ge=2, description=SAMPLES)
    seed: Seed = Field(0, description=SEED)


class SinkhornMatching(Config):
    """Permutations learned by gradient descent on the loss between the models, through Sinkhorn's iteration."""

    kind: Literal["sinkhorn_matching"] = Field(
        "sinkhorn_matching", description="Selects matching that is learned through Sinkhorn."
    )
    steps: int = Field(400, ge=1, description="Steps of Adam, each on one batch of the train split.")
    batch_size: int = Field(500, ge=2, description="Images of a batch.")
    learning_rate: float = Field(0.05, gt=0, description="Step size of Adam, without unit.")
    temperature: float = Field(0.1, gt=0, description="Temperature of Sinkhorn, in units of the scores.")
    iterations: int = Field(20, ge=1, description="Normalisations of rows and columns in each step.")
    seed: Seed = Field(0, description="Seed of the batches and of the place between the models.")


AlignmentConfig = Annotated[
    Average | OT | GW | WeightMatching | CycleConsistent | ActivationMatching | SinkhornMatching,
    Field(discriminator="kind"),
]
EQUAL_WIDTHS = ("average", "weight_matching", "cycle_consistent", "activation_matching", "sinkhorn_matching")
"""Kinds of methods that need models of equal widths."""
CONFIGS: dict[str, type[Config]] = {
    "average": Average,
    "ot": OT,
    "gw": GW,
    "weight_matching": WeightMatching,
    "cycle_consistent": CycleConsistent,
    "activation_matching": ActivationMatching,
    "sinkhorn_matching": SinkhornMatching,
}


def inputs_needed(method: Config) -> int:
    """The number of inputs whose activations a method looks at; fewer are refused."""
    if isinstance(method, ActivationMatching):
        return method.num_samples
    return method.num_samples if isinstance(method, _Coupled) and method.source == "activations" else 0
