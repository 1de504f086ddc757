"""Architectures as data: one config a kind, told apart by `kind`. This module knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config
from framework.errors import Problem

Width = Annotated[int, Field(ge=1)]
Output = Literal["sigmoid", "linear"]
Multiplier = Annotated[float, Field(gt=0)]

LATENT = "Size of the latent space, in numbers per image."
HIDDEN = "Widths of the encoder's hidden layers, in neurons, from the image on; the decoder mirrors them."
OUTPUT = (
    "What the decoder ends in: sigmoid, for images in [0, 1] (data.normalise=unit), or linear, for images on any "
    "scale."
)
WIDTH = (
    "Factor of every number of channels, rounded, at least one channel each: 2 doubles the 64 of the first "
    "convolution and all that follow, 0.25 leaves a quarter."
)
BATCH_NORM = "Whether every convolution is followed by batch normalisation (true or false)."


class PCKTAE(Config):
    """PCKTAE, the pocket autoencoder: two strided convolutions and one linear layer each way."""

    kind: Literal["pcktae"] = Field("pcktae", description="Selects the pocket autoencoder.")
    latent_dim: int = Field(8, ge=1, description=LATENT)


class MLPAutoencoder(Config):
    """A fully connected autoencoder with mirrored encoder and decoder."""

    kind: Literal["mlp_autoencoder"] = Field(
        "mlp_autoencoder", description="Selects the fully connected autoencoder."
    )
    latent_dim: int = Field(8, ge=1, description=LATENT)
    hidden: tuple[Width, ...] = Field((256, 64), description=HIDDEN)


class VAE(Config):
    """A fully connected variational autoencoder, whose latents are the means of its posterior."""

    kind: Literal["vae"] = Field("vae", description="Selects the variational autoencoder.")
    latent_dim: int = Field(8, ge=1, description=LATENT)
    hidden: tuple[Width, ...] = Field((512, 256, 128, 64), description=HIDDEN)
    output: Output = Field("sigmoid", description=OUTPUT)
    kl_weight: float = Field(
        1.0,
        ge=0,
        description="Factor of the Kullback-Leibler divergence to N(0, 1), in nats per image, beside the squared "
        "error summed over an image's pixels, in intensity squared on [0, 1].",
    )


class AE(Config):
    """A convolutional autoencoder: strided convolutions and a hidden linear layer each way."""

    kind: Literal["ae"] = Field("ae", description="Selects the convolutional autoencoder.")
    latent_dim: int = Field(8, ge=1, description=LATENT)
    channels: tuple[Width, ...] = Field(
        (32, 64, 128, 256),
        min_length=1,
        description="Channels of the encoder's convolutions from the image on, each of which halves the side "
        "(rounded up); the decoder mirrors them.",
    )
    hidden: Width = Field(500, description="Width of the linear layer beside the latent space, in neurons.")
    output: Output = Field("sigmoid", description=OUTPUT)


class ResNet18(Config):
    """ResNet-18 as a classifier, from random weights."""

    kind: Literal["resnet18"] = Field("resnet18", description="Selects ResNet-18.")
    latent_dim: Width | None = Field(
        None,
        description="Size of the latent space, in numbers per image: null takes the 512 pooled features, a number "
        "puts a linear layer of that width between them and the head.",
    )


class ViT(Config):
    """A vision transformer as a classifier, from random weights. ViT-B/16 is 16, 768, 12, 12 and 3072."""

    kind: Literal["vit"] = Field("vit", description="Selects the vision transformer.")
    latent_dim: Width | None = Field(
        None,
        description="Size of the latent space, in numbers per image: null takes the hidden_dim numbers of the "
        "class token, a number puts a linear layer of that width between them and the head.",
    )
    patch_size: Width = Field(4, description="Side of a patch, in pixels; divides the side of the images.")
    hidden_dim: Width = Field(64, description="Width of a token, in numbers; a multiple of num_heads.")
    num_layers: Width = Field(3, description="Number of encoder layers.")
    num_heads: Width = Field(4, description="Number of attention heads a layer.")
    mlp_dim: Width = Field(128, description="Width of the hidden layer that follows attention, in neurons.")

    def conflicts(self) -> Iterator[Problem]:
        """Heads that cannot share the width."""
        if self.hidden_dim % self.num_heads:
            message = f"is {self.hidden_dim}, no multiple of num_heads ({self.num_heads}): each head takes "
            yield Problem("hidden_dim", f"{message}an equal share")


class MLP(Config):
    """A fully connected classifier."""

    kind: Literal["mlp"] = Field("mlp", description="Selects the fully connected classifier.")
    hidden: tuple[Width, ...] = Field(
        (400, 200, 100),
        description="Widths of the hidden layers, in neurons, from the image on; the latents are the last one's, "
        "after its ReLU, or the pixels where there is none.",
    )
    bias: bool = Field(False, description="Whether the linear layers have biases (true or false).")


class VGG(Config):
    """A VGG as it is used on small images: convolutions and one linear layer."""

    kind: Literal["vgg"] = Field("vgg", description="Selects the VGG.")
    depth: Literal[11, 13, 16, 19] = Field(
        11, description="Number of the original's layers with weights: 8, 10, 13 or 16 of them are convolutions."
    )
    width: Multiplier = Field(1.0, description=WIDTH)
    batch_norm: bool = Field(True, description=BATCH_NORM)
    bias: bool = Field(True, description="Whether convolutions and linear layer have biases (true or false).")


class CIFARResNet(Config):
    """A ResNet as it is used on small images: its first convolution keeps the image's size."""

    kind: Literal["cifar_resnet"] = Field("cifar_resnet", description="Selects the ResNet for small images.")
    depth: Literal[18, 34, 50] = Field(
        18, description="Number of layers with weights; 50 is made of bottlenecks, with four times the latents."
    )
    width: Multiplier = Field(1.0, description=WIDTH)
    batch_norm: bool = Field(True, description=BATCH_NORM)
    bias: bool = Field(
        True, description="Whether the linear layer has a bias (true or false); the convolutions have none."
    )


ModelConfig = Annotated[
    PCKTAE | MLPAutoencoder | VAE | AE | ResNet18 | ViT | MLP | VGG | CIFARResNet, Field(discriminator="kind")
]
