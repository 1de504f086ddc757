"""The stitched model: one model's encoder, a mapping, another model's decoder.

Shapes: N images, C channels, H = W pixels a side.
"""

from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.mappings.base import Mapping
from framework.models.autoencoder import Autoencoder


class Stitched(nn.Module):
    """images → target.decode(mapping(source.encode(images))), in eval mode from the start.

    Raises:
        InvalidInput: the sizes of the latent spaces are not those of the mapping.
    """

    def __init__(self, source: Autoencoder, mapping: Mapping, target: Autoencoder) -> None:
        super().__init__()
        wanted, given = (source.latent_dim, target.latent_dim), (mapping.source_dim, mapping.target_dim)
        if wanted != given:
            message = f"maps {given[0]} → {given[1]} dimensions; these models need {wanted[0]} → {wanted[1]}"
            raise InvalidInput([Problem("mapping", message)])
        self.source, self.mapping, self.target = source, mapping, target
        self.eval()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """What the target makes of the source's latents: images (N, C, H, W)."""
        return self.target.decode(self.mapping(self.source.encode(images_NCHW)))
