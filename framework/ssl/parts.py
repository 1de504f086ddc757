"""Parts of a self-supervised model as data: backbone, heads and the cube loss. This module knows no tensor."""

from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config

Width = Annotated[int, Field(ge=1)]
Splits = Annotated[int, Field(ge=1)]

SPLITS = (
    "Groups of a batch that batch normalisation takes mean and variance of, each by itself, as if each were on a "
    "device of its own; 1 is ordinary batch normalisation. The batch is a multiple of it."
)


class _Library(Config):
    """A classification network of a library, without its classifier."""

    stem: Literal["auto", "small", "standard"] = Field(
        "auto",
        description="How a ResNet begins: standard is as its library has it (7x7 with stride 2, then a maximum "
        "over 3x3 with stride 2), small a 3x3 convolution with stride 1 and no maximum, whose weights are always "
        "random; auto takes small for random weights and images of at most 64 pixels a side, and for other "
        "networks nothing but standard.",
    )
    weights: Literal["random", "pretrained"] = Field(
        "random", description="Where the weights begin: random, or those that the library has trained (ImageNet)."
    )
    splits: Splits = Field(1, description=SPLITS)


class Torchvision(_Library):
    """Any classification network of torchvision, by its name there."""

    kind: Literal["torchvision"] = Field("torchvision", description="Selects a network of torchvision.")
    name: str = Field("resnet18", description="The network's name in torchvision, for instance resnet50.")


class Timm(_Library):
    """Any network of timm (the extra `timm`), by its name there."""

    kind: Literal["timm"] = Field("timm", description="Selects a network of timm.")
    name: str = Field("resnet18", description="The network's name in timm, for instance vit_small_patch16_224.")


class SmallResNet(Config):
    """The project's own ResNet for small images, which takes any number of channels."""

    kind: Literal["cifar_resnet"] = Field("cifar_resnet", description="Selects the ResNet for small images.")
    depth: Literal[18, 34, 50] = Field(
        18, description="Number of layers with weights; 50 is made of bottlenecks, with four times the features."
    )
    width: float = Field(
        1.0,
        gt=0,
        description="Factor of every number of channels, rounded, at least one channel each: 1 has 512 features "
        "(2048 with depth 50), 0.25 a quarter of them.",
    )
    splits: Splits = Field(1, description=SPLITS)


class Dense(Config):
    """Linear layers with ReLU, for images of a few pixels."""

    kind: Literal["mlp"] = Field("mlp", description="Selects the fully connected network.")
    hidden: tuple[Width, ...] = Field(
        (512, 256), min_length=1, description="Widths of the layers, in neurons; the last gives the features."
    )


BackboneConfig = Annotated[Torchvision | Timm | SmallResNet | Dense, Field(discriminator="kind")]


class LinearProjection(Config):
    """A projection head of one linear layer with bias."""

    kind: Literal["linear"] = Field("linear", description="Selects one linear layer.")
    output: Width | None = Field(
        None, description="Width of the projections; null takes that of the method's own mlp head."
    )


class MLPProjection(Config):
    """A projection head of linear layers, with ReLU between them."""

    kind: Literal["mlp"] = Field("mlp", description="Selects linear layers with ReLU between them.")
    hidden: tuple[Width, ...] = Field(
        (2048,), min_length=1, description="Widths of the hidden layers, in neurons, from the features on."
    )
    output: Width = Field(128, description="Width of the projections.")
    hidden_norm: bool = Field(
        True, description="Whether batch normalisation follows each hidden layer (true or false)."
    )
    output_norm: Literal["none", "affine", "fixed"] = Field(
        "none",
        description="Batch normalisation of the projections: none, affine (with learned scale and shift), or "
        "fixed (mean 0 and variance 1).",
    )


ProjectionConfig = Annotated[LinearProjection | MLPProjection, Field(discriminator="kind")]


class Predictor(Config):
    """A prediction head, as wide as the projections: linear layers with batch normalisation and ReLU between."""

    hidden: tuple[Width, ...] = Field(
        (1024,), description="Widths of the hidden layers, in neurons; an empty list leaves one linear layer."
    )


class Cube(Config):
    """Weights of the variance and covariance terms over the cube views x batch x features; 0 leaves a term out."""

    var_feature: float = Field(0.0, description="Weight of Var_Fea_2dBV: spread over the features, up to 1.")
    var_batch: float = Field(0.0, description="Weight of VarBatch_2dFV: spread over the batch, up to 1.")
    var_view: float = Field(0.0, description="Weight of VarView_2dBF: spread over the views.")
    cov_feature: float = Field(0.0, description="Weight of CovFea_1dBV: products of a feature's entries.")
    cov_batch: float = Field(0.0, description="Weight of CovBatch_1dFV: products of an image's entries.")
    cov_view: float = Field(
        0.0, description="Weight of CovView_1dBF: products of a view's entries, with a minus before them."
    )

    @property
    def weights(self) -> dict[str, float]:
        """The terms that have a weight, by name."""
        return {name: weight for name in type(self).model_fields if (weight := float(getattr(self, name)))}
