"""Self-supervised methods as data: one config a method, told apart by `kind`. This module knows no tensor.

The eight methods that compare views in pairs share a machine, with targets z and predictions p of each view, and
so share its options; each has its own loss of a pair and its own defaults. LeJEPA and VISReg compare all views at
once.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field

from framework.config import Config
from framework.errors import Problem
from framework.ssl.parts import Cube, LinearProjection, MLPProjection, Predictor, ProjectionConfig

MAX_VIEWS = 10
BANK = 4096

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Strategy = Literal[
    "none",
    "fastsim",
    "pair-pair",
    "1_n",
    "1_mean",
    "mean_n",
    "n_mean",
    "n_mean_sym",
    "me_me",
    "std_view",
    "var_view",
]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

HEAD = "The head between the features and the projections that the loss sees."
PREDICTOR = "The head between projections and predictions; null has none, so that they are the same."
STOP_GRADIENT = "Whether the targets take no gradient (true or false)."
TEMPERATURE = "What cosine similarities are divided by, without unit."
MEMORY_BANK = "Projections of earlier batches that are kept as negatives; 0 takes those of the batch itself."


class Method(Config):
    """What all methods share."""

    views: int = Field(2, ge=2, le=MAX_VIEWS, description="Number of distorted views of each image.")
    cube: Cube = Field(
        Cube(), description="Weights of the variance and covariance terms over the projections of all views."
    )


class Pairwise(Method):
    """What the methods share that compare targets and predictions in pairs."""

    projection: ProjectionConfig = Field(MLPProjection(), description=HEAD)
    predictor: Predictor | None = Field(None, description=PREDICTOR)
    stop_gradient: bool = Field(False, description=STOP_GRADIENT)
    momentum: Share | None = Field(
        None,
        description="Share of the old weights that the momentum encoder, which gives the targets, keeps in each "
        "step; null has none, so that the encoder itself gives the targets.",
    )
    momentum_schedule: Literal["constant", "cosine"] = Field(
        "cosine",
        description="constant keeps the momentum; cosine lets it grow to 1 over the training, in which it is 1 in "
        "the last step.",
    )
    strategy: Strategy = Field(
        "none",
        description="How the views are compared: none takes two views, each as the other's target; for the others "
        "see framework/ssl/strategies.py.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """More views than two without a strategy, and gradients for what takes none."""
        if self.strategy == "none" and self.views > 2:
            others = ", ".join(STRATEGIES[1:])
            message = f"is none, which takes 2 views, not {self.views}; set views=2, or one of {others}"
            yield Problem("strategy", message)
        if self.momentum is not None and not self.stop_gradient:
            message = (
                "is false, but the targets are those of the momentum encoder, which takes no gradient; set "
                "stop_gradient=true or momentum=null"
            )
            yield Problem("stop_gradient", message)


class SimCLR(Pairwise):
    """SimCLR: the other view of an image is told from all other images of the batch."""

    kind: Literal["simclr"] = Field("simclr", description="Selects SimCLR.")
    projection: ProjectionConfig = Field(
        MLPProjection(hidden=(512, 512, 512, 512), output=128, output_norm="affine"), description=HEAD
    )
    temperature: float = Field(0.5, gt=0, description=TEMPERATURE)
    memory_bank_size: int = Field(0, ge=0, description=MEMORY_BANK)


class MoCo(Pairwise):
    """MoCo: the target of a momentum encoder is told from those of earlier batches."""

    kind: Literal["moco"] = Field("moco", description="Selects MoCo.")
    projection: ProjectionConfig = Field(
        MLPProjection(hidden=(512,), output=128, hidden_norm=False), description=HEAD
    )
    stop_gradient: bool = Field(True, description=STOP_GRADIENT)
    momentum: Share | None = Field(0.99, description=Pairwise.model_fields["momentum"].description)
    momentum_schedule: Literal["constant", "cosine"] = Field(
        "constant", description=Pairwise.model_fields["momentum_schedule"].description
    )
    temperature: float = Field(0.1, gt=0, description=TEMPERATURE)
    memory_bank_size: int = Field(BANK, ge=0, description=MEMORY_BANK)


class BYOL(Pairwise):
    """BYOL: the target of a momentum encoder is predicted."""

    kind: Literal["byol"] = Field("byol", description="Selects BYOL.")
    projection: ProjectionConfig = Field(MLPProjection(hidden=(1024,), output=256), description=HEAD)
    predictor: Predictor | None = Field(Predictor(hidden=(1024,)), description=PREDICTOR)
    stop_gradient: bool = Field(True, description=STOP_GRADIENT)
    momentum: Share | None = Field(0.99, description=Pairwise.model_fields["momentum"].description)


class SimSiam(Pairwise):
    """SimSiam: the projection of the other view, without a gradient, is predicted."""

    kind: Literal["simsiam"] = Field("simsiam", description="Selects SimSiam.")
    projection: ProjectionConfig = Field(
        MLPProjection(hidden=(2048,), output=2048, output_norm="fixed"), description=HEAD
    )
    predictor: Predictor | None = Field(Predictor(hidden=(512,)), description=PREDICTOR)
    stop_gradient: bool = Field(True, description=STOP_GRADIENT)


class FastSiam(SimSiam):
    """FastSiam: SimSiam with the mean of several other views as the target."""

    kind: Literal["fastsiam"] = Field("fastsiam", description="Selects FastSiam.")  # type: ignore[assignment]
    views: int = Field(4, ge=2, le=MAX_VIEWS, description="Number of distorted views of each image.")
    strategy: Strategy = Field("fastsim", description=Pairwise.model_fields["strategy"].description)


class BarlowTwins(Pairwise):
    """Barlow Twins: features of two views are correlated with themselves, and with no other."""

    kind: Literal["barlow_twins"] = Field("barlow_twins", description="Selects Barlow Twins.")
    projection: ProjectionConfig = Field(MLPProjection(hidden=(2048,), output=2048), description=HEAD)
    redundancy_weight: Weight = Field(
        5e-3, description="Weight λ of the squared correlations of different features."
    )


class VICReg(Pairwise):
    """VICReg: invariance between views, variance and covariance within them."""

    kind: Literal["vicreg"] = Field("vicreg", description="Selects VICReg.")
    projection: ProjectionConfig = Field(
        MLPProjection(hidden=(2048,), output=2048, output_norm="affine"), description=HEAD
    )
    invariance_weight: Weight = Field(25.0, description="Weight λ of the mean squared error between two views.")
    variance_weight: Weight = Field(25.0, description="Weight μ of what standard deviations lack to 1.")
    covariance_weight: Weight = Field(1.0, description="Weight ν of the squared covariances of features.")


class DCL(Pairwise):
    """Decoupled contrastive learning: SimCLR without the positive pair among the negatives."""

    kind: Literal["dcl"] = Field("dcl", description="Selects decoupled contrastive learning.")
    projection: ProjectionConfig = Field(
        MLPProjection(hidden=(512, 512, 512, 512), output=128, output_norm="affine"), description=HEAD
    )
    temperature: float = Field(0.1, gt=0, description=TEMPERATURE)
    weighted: bool = Field(
        False, description="Whether positive pairs have von Mises-Fisher weights: DCLW (true or false)."
    )
    sigma: float = Field(0.5, gt=0, description="What similarities are divided by in those weights, without unit.")


class Centred(Method):
    """What the methods share that pull all views to their centre."""

    projection: ProjectionConfig = Field(MLPProjection(hidden=(2048, 2048), output=64), description=HEAD)
    global_views: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Views, the first ones, whose mean is the centre; null takes all of them."
    )

    def conflicts(self) -> Iterator[Problem]:
        """More global views than there are views."""
        if self.global_views is not None and self.global_views > self.views:
            message = (
                f"is {self.global_views}, but there are {self.views} views; allowed: 1 to {self.views}, or null"
            )
            yield Problem("global_views", message)


class LeJEPA(Centred):
    """LeJEPA: views at one place, projections with the distribution of an isotropic Gaussian."""

    kind: Literal["lejepa"] = Field("lejepa", description="Selects LeJEPA.")
    regularisation: Share = Field(0.05, description="Weight λ of SIGReg; the invariance has the weight 1 - λ.")
    slices: int = Field(1024, ge=1, description="Random directions that SIGReg looks along in each step.")
    knots: int = Field(17, ge=2, description="Frequencies at which characteristic functions are compared.")
    largest_frequency: float = Field(3.0, gt=0, description="The largest of them, in radians a unit.")


class VISReg(Centred):
    """VISReg: views at one place; scale, centre and shape of their distribution each by a term of its own."""

    kind: Literal["visreg"] = Field("visreg", description="Selects VISReg.")
    regularisation: Share = Field(
        0.6,
        description="Weight λ of the three terms together; the invariance has the weight 1 - λ. The paper has 0.6 "
        "for small data sets and 0.9 for large ones.",
    )
    scale_weight: Weight = Field(1.0, description="Weight of the squared distances of standard deviations from 1.")
    shape_weight: Weight = Field(1.0, description="Weight of the sliced Wasserstein distance to a Gaussian.")
    centre_weight: Weight = Field(1.0, description="Weight of the squared means.")
    slices: int = Field(
        4096, ge=1, description="Random directions that the shape is looked at along in each step."
    )


MethodConfig = Annotated[
    SimCLR | MoCo | BYOL | SimSiam | BarlowTwins | VICReg | DCL | FastSiam | LeJEPA | VISReg,
    Field(discriminator="kind"),
]
CONFIGS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "simsiam": SimSiam,
    "barlow_twins": BarlowTwins,
    "vicreg": VICReg,
    "dcl": DCL,
    "fastsiam": FastSiam,
    "lejepa": LeJEPA,
    "visreg": VISReg,
}


def projection_width(method: Pairwise | Centred) -> int:
    """The width of the projections: of a linear head that names none, that of the method's own head."""
    own = type(method).model_fields["projection"].default
    projection = method.projection
    if isinstance(projection, LinearProjection) and projection.output is None:
        return int(own.output)
    return int(projection.output or own.output)
