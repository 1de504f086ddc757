"""The error of many reconstructions of the same images, as fast as a CPU gives it.

Scoring a mapping decodes every image of a split once; scoring thousands of mappings into one latent space decodes
the same images thousands of times. What does not change is made once: the decoder in few matrix products
(`framework.models.folding`), the images in the layout in which it writes, and the memory that it writes into. The
errors are then

    e_n = Σ_f w_f (y_fn - x_fn)²,    w_f = pixel_scale² / F,                                                    (1)

which `mse_per_image` gives too, to float rounding. Knows a model only as something that decodes images.

Shapes: N images, R sets of them, C channels, H x W pixels, F = C H W, D latent dimensions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from framework.metrics.reconstruction import mse_per_image
from framework.models.base import Model
from framework.models.folding import Folded
from framework.models.stages import AT_ONCE


class Scorer:
    """Errors of what `model` decodes, with the weights as they are now, in eval mode.

    Args:
        model: A model whose outputs are images. It is put into eval mode and onto `device`.
        references_RNCHW: One or more sets of images that the outputs are held against, in the same order.
        pixel_scale_C: Intensity on [0, 1] of one unit of the images.
        device: Where to decode.
    """

    def __init__(
        self, model: Model, references_RNCHW: Sequence[Tensor], pixel_scale_C: Tensor, device: torch.device
    ) -> None:
        self.device = device
        self._decode = model.to(device).eval().fast_decoder()
        self._scale_C = pixel_scale_C.to(device)
        first = references_RNCHW[0]
        pieces = [torch.split(images_NCHW.to(device), AT_ONCE) for images_NCHW in references_RNCHW]
        if isinstance(self._decode, Folded):
            pixels = first[0, 0].numel()
            self._weights_F = (self._scale_C.square() / first[0].numel()).repeat_interleave(pixels)
            self._difference = first.new_empty(first[0].numel() * AT_ONCE)
            columns = [[piece.flatten(1).t().contiguous() for piece in images] for images in pieces]
            self._pieces = list(zip(*columns, strict=True))
        else:
            self._pieces = list(zip(*pieces, strict=True))

    @torch.no_grad()
    def errors(self, latents_ND: Tensor) -> Tensor:
        """The mean squared errors against each reference, (R, N), in intensity squared on [0, 1], on the CPU."""
        rows = torch.split(latents_ND.to(self.device), AT_ONCE)
        found = [self._errors(z, references) for z, references in zip(rows, self._pieces, strict=True)]
        return torch.cat(found, dim=1).cpu()

    def _errors(self, latents_ND: Tensor, references: Sequence[Tensor]) -> Tensor:
        if not isinstance(self._decode, Folded):
            decoded = self._decode(latents_ND)
            return torch.stack([mse_per_image(decoded, images, self._scale_C) for images in references])
        decoded_FN = self._decode.columns(latents_ND)
        difference_FN = self._difference[: decoded_FN.numel()].view(decoded_FN.shape)
        errors = []
        for images_FN in references:
            torch.sub(decoded_FN, images_FN, out=difference_FN)
            errors.append(self._weights_F @ difference_FN.square_())  # equation (1)
        return torch.stack(errors)
