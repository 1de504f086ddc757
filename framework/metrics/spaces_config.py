"""What is measured of a classifier in input, parameter and prediction space, at which cost. Knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, Seed, replicate
from framework.errors import Problem

Count = Annotated[int, Field(ge=1)]

RANGE = "of the search for sigma. An end that does not meet the target deviation is said beside the measure."
BATCHES = "Batches of train images that the loss is taken over; fewer where the train split has not as many."
BATCH_SIZE = "Images a batch."
DEPTH = "Halvings of the range after which the search for sigma ends at the latest."
DEVIATION_TOLERANCE = (
    "The search for sigma ends where the deviation of the loss is as near as this to the target, in nats."
)


class LipschitzConfig(Config):
    """How hard the direction is sought in which the logits change most."""

    tolerance: float = Field(
        1e-8,
        gt=0,
        description="The iteration ends where the unit direction moves less than this, as a Euclidean distance "
        "without unit; not below ten times the rounding of the weights' precision.",
    )
    max_iterations: Count = Field(500, description="Steps of the iteration after which it ends at the latest.")
    points: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Train images around which the constant is estimated too, beside the origin; the largest of "
        "them is reported. 0 estimates it at the origin alone.",
    )


class HessianConfig(Config):
    """Which train images the Hessian is taken over, and how exactly its spectrum is found."""

    batches: Count = Field(10, description=BATCHES)
    batch_size: Count = Field(64, description=BATCH_SIZE)
    trace_probes: Annotated[int, Field(ge=2)] = Field(
        20,
        description="Backward passes a batch that the trace may take. The part of the trace from the curvature "
        "of the loss is exact with as many as there are classes; of more classes, random mixtures are taken.",
    )
    trace_tolerance: float = Field(
        0.01,
        gt=0,
        description="Relative standard error at which the estimate of the rest of the trace ends, which is zero "
        "where the network is piecewise linear in each weight tensor.",
    )
    lanczos_steps: Annotated[int, Field(ge=2)] = Field(
        100, description="Steps of the Lanczos iteration for the top eigenvalue at the most."
    )
    eigenvalue_tolerance: float = Field(
        1e-3, gt=0, description="Error, relative to the top eigenvalue, at which its iteration ends."
    )
    density_steps: Annotated[int, Field(ge=2)] = Field(
        60, description="Steps of each Lanczos iteration for the spectral density, which sees as many eigenvalues."
    )
    density_draws: Count = Field(3, description="Random vectors that the spectral density is averaged over.")
    density_bins: Annotated[int, Field(ge=2)] = Field(
        1000, description="Points at which the spectral density is given."
    )


class SigmaConfig(Config):
    """One range for the search for sigma."""

    low: float = Field(0.0, ge=0, description="Lower end " + RANGE)
    high: float = Field(description="Upper end " + RANGE)

    def conflicts(self) -> Iterator[Problem]:
        """A range without an inside."""
        if self.low >= self.high:
            yield Problem("low", f"is {self.low:g}; allowed: below high ({self.high:g})")


class ProportionalStep(Config):
    """Steps that grow with sigma, so that the ascent reaches every part of its range at any sigma."""

    kind: Literal["proportional"] = Field("proportional", description="Selects steps in proportion to sigma.")
    size: float = Field(
        0.2,
        gt=0,
        le=2,
        description="Length of a step as a share of sigma: along the gradient; in the magnitude-aware form along "
        "its sign, as a share of each weight's own range.",
    )


class FixedStep(Config):
    """Steps of plain gradient ascent, as the measure was first published: mostly too short to leave the start."""

    kind: Literal["fixed"] = Field("fixed", description="Selects steps of one size times the gradient.")
    size: float = Field(
        0.01, gt=0, description="Step size of the ascent, in squared units of the weights per nat."
    )


class SharpnessConfig(Config):
    """How large a perturbation must be for ascent from random starts to raise the loss by the target."""

    plain: SigmaConfig = Field(
        SigmaConfig(low=0, high=7),
        description="Where sigma is sought, as the Euclidean norm of the perturbation, in units of the weights.",
    )
    magnitude: SigmaConfig = Field(
        SigmaConfig(low=0, high=2),
        description="Where the magnitude-aware sigma is sought, as a share of each weight, without unit.",
    )
    depth: Count = Field(24, description=DEPTH)
    restarts: Count = Field(15, description="Random starts of the ascent, of which the worst counts.")
    ascent_steps: Annotated[int, Field(ge=0)] = Field(20, description="Steps of gradient ascent, each on a batch.")
    step: Annotated[ProportionalStep | FixedStep, Field(discriminator="kind")] = Field(
        ProportionalStep(), description="How far each step of the ascent goes."
    )
    batches: Count = Field(10, description=BATCHES)
    batch_size: Count = Field(64, description=BATCH_SIZE)
    deviation_tolerance: float = Field(1e-2, ge=0, description=DEVIATION_TOLERANCE)
    sigma_tolerance: float = Field(
        1e-6, ge=0, description="The search ends where its range is narrower than this, in units of sigma."
    )


class PacBayesConfig(Config):
    """How large random perturbations must be for their mean loss to differ by the target."""

    plain: SigmaConfig = Field(
        SigmaConfig(low=0, high=0.2),
        description="Where sigma is sought, the standard deviation of each weight, in units of the weights.",
    )
    magnitude: SigmaConfig = Field(
        SigmaConfig(low=0, high=4),
        description="Where the magnitude-aware sigma is sought, a standard deviation relative to each weight.",
    )
    depth: Count = Field(30, description=DEPTH)
    draws: Count = Field(20, description="Random perturbations whose losses are averaged.")
    batches: Count = Field(20, description=BATCHES)
    batch_size: Count = Field(64, description=BATCH_SIZE)
    deviation_tolerance: float = Field(5e-3, ge=0, description=DEVIATION_TOLERANCE)
    sigma_tolerance: float = Field(
        1e-4, ge=0, description="The search ends where its range is narrower than this, in units of sigma."
    )


class MetricsConfig(Config):
    """What is measured of a trained or fused classifier. Accuracy and loss cost one pass; sharpness costs most.

    A group that is null is left out.
    """

    seed: Seed = replicate(0, description="Seed of the batches, directions and perturbations.")
    lipschitz: LipschitzConfig | None = Field(
        LipschitzConfig(),
        description="Input space: a lower estimate of the Lipschitz constant; null leaves it out.",
    )
    hessian: HessianConfig | None = Field(
        HessianConfig(),
        description="Parameter space: top eigenvalue and trace of the Hessian; null leaves them out.",
    )
    sharpness: SharpnessConfig | None = Field(
        SharpnessConfig(), description="Parameter space: six worst-case measures; null leaves them out."
    )
    pac_bayes: PacBayesConfig | None = Field(
        PacBayesConfig(), description="Parameter space: six PAC-Bayes measures; null leaves them out."
    )
    prediction: bool = Field(
        True, description="Prediction space: whether accuracy, loss and their gaps are measured, true or false."
    )
    target_deviation: float = Field(
        0.1,
        gt=0,
        description="How far the perturbed loss may be from the unperturbed one, as mean cross-entropy per image, "
        "in nats.",
    )
    delta: float = Field(0.05, gt=0, lt=1, description="Probability with which a bound may fail, in (0, 1).")
    eps: float = Field(
        1e-3,
        gt=0,
        description="Size of the perturbation of a weight that is zero, in units of the weights, in the "
        "magnitude-aware measures.",
    )
