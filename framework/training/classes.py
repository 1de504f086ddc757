"""Training on some classes only. Knows no model."""

import torch

from framework.data.vision import ImageSet
from framework.errors import ConfigError, Problem


def of_classes(images: ImageSet, classes: tuple[int, ...] | None, split: str) -> ImageSet:
    """The images of `classes`, in their order; all of them where `classes` is None. `split` names them in errors.

    Raises:
        ConfigError: a class has no image.
    """
    if classes is None:
        return images
    there = torch.unique(images.labels).tolist()
    absent = [str(label) for label in classes if label not in there]
    if absent:
        names = ", ".join(map(str, there))
        message = f"names {', '.join(absent)}, of which the {split} split has no image; there are: {names}"
        raise ConfigError([Problem("classes", message)])
    chosen = torch.isin(images.labels, torch.tensor(classes))
    return ImageSet(images.images[chosen], images.labels[chosen], images.indices[chosen])
