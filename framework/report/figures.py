"""Figures that more than one room draws. Each takes plain arrays or frames and returns; none shows or saves.

Shapes: R rows, N images in a row, C channels (1 or 3), H x W pixels.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def image_grid(rows: Sequence[npt.NDArray[np.floating]], *, gap: int = 1) -> npt.NDArray[np.floating]:
    """One picture of R rows of images (N, C, H, W) each, intensities on [0, 1], with white gaps.

    Returns:
        (height, width) for one channel, (height, width, 3) for three, on [0, 1].

    Raises:
        ValueError: the rows differ in shape.
    """
    images = np.stack([np.asarray(row) for row in rows])  # (R, N, C, H, W)
    count, across, channels, height, width = images.shape
    canvas = np.ones((channels, count * (height + gap) - gap, across * (width + gap) - gap), dtype=images.dtype)
    for r in range(count):
        for n in range(across):
            top, left = r * (height + gap), n * (width + gap)
            canvas[:, top : top + height, left : left + width] = images[r, n]
    return canvas[0] if channels == 1 else np.moveaxis(canvas, 0, -1)
