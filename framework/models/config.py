"""Architectures as data: one config a kind, told apart by `kind`. This module knows no tensor."""

from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config


class PCKTAE(Config):
    """PCKTAE, the pocket autoencoder: two strided convolutions and one linear layer each way."""

    kind: Literal["pcktae"] = Field("pcktae", description="Selects the pocket autoencoder.")
    latent_dim: int = Field(8, ge=1, description="Size of the latent space, in numbers per image.")


class MLPAutoencoder(Config):
    """A fully connected autoencoder with mirrored encoder and decoder."""

    kind: Literal["mlp_autoencoder"] = Field(
        "mlp_autoencoder", description="Selects the fully connected autoencoder."
    )
    latent_dim: int = Field(8, ge=1, description="Size of the latent space, in numbers per image.")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (256, 64),
        description="Widths of the encoder's hidden layers, in neurons, from the image on; the decoder "
        "mirrors them.",
    )


ModelConfig = Annotated[PCKTAE | MLPAutoencoder, Field(discriminator="kind")]
