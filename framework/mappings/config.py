"""Mappings as data: one config a method, told apart by `kind`. This module knows no tensor.

The fields beside `kind` and `ridges` are the options of the method of that name, with the same defaults
(`framework.mappings.methods.METHODS`); `ridges` stands where λ has a meaning, and says what it weighs there.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from framework.config import Config, Seed, replicate

Ridges = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]

RIDGES = (0.0, 0.001, 0.01, 0.1)
AUTO = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
"""What `ridges: auto` fits, in units of the mean eigenvalue trace(ZᵀZ)/D; the val split chooses among them."""
AUTO_WORDS = " auto fits 0 and powers of 10 from 1e-6 to 1, relative to the scale of the latents (`relative`)."
RELATIVE = "Whether λ is in units of trace(ZᵀZ)/D of the source latents Z of the fit (true or false)."
OF_A = "Weights λ of ||A||_F² beside the sum of squared errors over the samples; each is fitted."
OF_CYCLE = (
    "Weights λ of the cycle error, the mean of ||A2 A1 z - z|| (not squared), beside the mean squared errors of "
    "both directions; each is fitted. At 0 they are two independent least-squares fits."
)
OF_DECAY = "Weights λ of Adam's weight decay (L2: λ times each weight is added to its gradient); each is fitted."
OF_BOTH = "Weights λ, of ||A||_F² in the first stage and of Adam's weight decay in the second; each is fitted."
OF_COEFFICIENTS = "Weights λ of ||a||_F² beside the sum of squared errors over the samples; each is fitted."


class _Mapping(Config):
    """What all mappings' configs can tell."""

    def options(self) -> dict[str, Any]:
        """The method's options by keyword: every field but `kind` and `ridges`."""
        found = {name: getattr(self, name) for name in type(self).model_fields if name not in ("kind", "ridges")}
        return found | ({"relative": True} if "relative" in found and self._auto else {})

    @property
    def label(self) -> str:
        """What tables call the mapping: its kind, and a variant of it that is another method."""
        kind: str = getattr(self, "kind")  # noqa: B009 (every mapping has one, each of another type)
        return f"{kind}_relative" if self.options().get("relative") else kind

    @property
    def ridge_values(self) -> tuple[float, ...]:
        """The values of λ that are fitted; (0.0,) where λ has no meaning."""
        values: tuple[float, ...] = AUTO if self._auto else getattr(self, "ridges", (0.0,))
        return values

    @property
    def _auto(self) -> bool:
        return getattr(self, "ridges", None) == "auto"


class Linear(_Mapping):
    """z → A z, by ridge regression."""

    kind: Literal["linear"] = Field("linear", description="Selects the linear mapping.")
    ridges: Ridges | Literal["auto"] = Field(RIDGES, description=OF_A + AUTO_WORDS)
    relative: bool = Field(False, description=RELATIVE)


class Affine(_Mapping):
    """z → A z + b, by ridge regression with a free bias."""

    kind: Literal["affine"] = Field("affine", description="Selects the affine mapping.")
    ridges: Ridges | Literal["auto"] = Field(RIDGES, description=OF_A + AUTO_WORDS)
    relative: bool = Field(False, description=RELATIVE)


class Decouple(_Mapping):
    """z → A1 z, fitted together with the way back, y → A2 y, so that there and back again is near."""

    kind: Literal["decouple"] = Field("decouple", description="Selects the decoupled linear mapping.")
    ridges: Ridges = Field(RIDGES, description=OF_CYCLE)


class DecoupleAffine(_Mapping):
    """z → A1 z + b1, fitted together with the way back, y → A2 y + b2."""

    kind: Literal["decouple_affine"] = Field(
        "decouple_affine", description="Selects the decoupled affine mapping."
    )
    ridges: Ridges = Field(RIDGES, description=OF_CYCLE)


class _Network(_Mapping):
    """The options of a multilayer perceptron with two hidden layers."""

    hidden: int = Field(128, ge=1, description="Width of both hidden layers, in neurons.")
    dropout: Share = Field(
        0.1, description="Probability with which a hidden neuron is left out of a training step; never in use."
    )
    learning_rate: float = Field(4e-3, gt=0, description="Step size of Adam.")
    epochs: int = Field(100, ge=1, description="At most so many steps, each over all samples.")
    patience: int = Field(10, ge=1, description="Epochs without a better held-out error before training stops.")
    min_epochs: int = Field(5, ge=1, description="At least so many epochs.")
    val_fraction: Fraction = Field(
        0.2,
        description="Share of the samples that is held out to stop early and pick the best weights: at least one "
        "sample, none of fewer than five.",
    )
    seed: Seed = replicate(0, description="Seed of the first weights, of what is held out, and of the dropout.")


class MLP(_Network):
    """A multilayer perceptron with two hidden layers."""

    kind: Literal["mlp"] = Field("mlp", description="Selects the multilayer perceptron.")
    ridges: Ridges = Field(RIDGES, description=OF_DECAY)


class Residual(_Network):
    """A linear map, and a multilayer perceptron on what it leaves over."""

    kind: Literal["residual"] = Field("residual", description="Selects the linear map plus a perceptron.")
    ridges: Ridges = Field(RIDGES, description=OF_BOTH)
    base: Literal["linear", "affine"] = Field("linear", description="The map of the first stage.")


class Kernel(_Mapping):
    """Kernel ridge regression with a Gaussian kernel."""

    kind: Literal["kernel"] = Field("kernel", description="Selects the kernel mapping.")
    ridges: Ridges | Literal["auto"] = Field(
        RIDGES, description=OF_COEFFICIENTS + " auto fits 0 and powers of 10 from 1e-6 to 1."
    )
    gamma: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="γ of exp(-γ||x - c||²), in 1 / squared latents; null takes 1 / (dimensions · variance of all "
        "source latents of the fit).",
    )


class Orthogonal(_Mapping):
    """z → R (z - m1) + m2 with RᵀR = I: rotation, reflection and translation; a scale where it is asked for."""

    kind: Literal["orthogonal"] = Field("orthogonal", description="Selects the orthogonal (Procrustes) mapping.")
    scaling: Literal["none", "isotropic", "standardised"] = Field(
        "none",
        description="none: a rotation alone; isotropic: with one scale, by least squares; standardised: between "
        "latents whose dimensions have mean 0 and standard deviation 1 over the anchors.",
    )

    @property
    def label(self) -> str:
        """The kind, and the scaling if there is one."""
        return self.kind if self.scaling == "none" else f"{self.kind}_{self.scaling}"


class Permutation(_Mapping):
    """z → P (z - m1) + m2: neurons change places, and are translated."""

    kind: Literal["permutation"] = Field("permutation", description="Selects the permutation.")


class Relative(_Mapping):
    """Zero-shot: cosines to the source's anchors, read as cosines to the target's."""

    kind: Literal["relative"] = Field("relative", description="Selects the relative representations.")
    centred: bool = Field(
        False, description="Whether cosines are taken about the mean of the anchors instead of the origin."
    )

    @property
    def label(self) -> str:
        """The kind, and whether it is centred."""
        return f"{self.kind}_centred" if self.centred else self.kind


class Identity(_Mapping):
    """Zero-shot: the source's latents as they are."""

    kind: Literal["identity"] = Field("identity", description="Selects the identity.")


MappingConfig = Annotated[
    Linear
    | Affine
    | Decouple
    | DecoupleAffine
    | MLP
    | Residual
    | Kernel
    | Orthogonal
    | Permutation
    | Relative
    | Identity,
    Field(discriminator="kind"),
]

AS_MANY = ("permutation", "identity")


def size_problem(kind: str, source_dim: int, target_dim: int) -> str | None:
    """Why a method cannot map a space of one size into one of another, if it cannot."""
    if kind in AS_MANY and source_dim != target_dim:
        return f"is {kind}, which needs as many target as source dimensions, not {source_dim} → {target_dim}"
    return None
